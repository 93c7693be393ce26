"""The demo site: settings, addresses, and its two doors (ASGI and WSGI)."""
