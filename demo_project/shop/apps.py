"""The app."""

from django.apps import AppConfig


class ShopConfig(AppConfig):
    """``INSTALLED_APPS = [..., "shop"]``."""

    name = "shop"
