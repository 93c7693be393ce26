"""The addresses of sockets."""

from django.urls import path

from .consumers import HtmxConsumer, ShopConsumer

websocket_urlpatterns = [
    path("ws/shop/", ShopConsumer.as_asgi()),
    path("ws/htmx/", HtmxConsumer.as_asgi()),
]
