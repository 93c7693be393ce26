"""The site that the tests run against."""

import json
import os
from pathlib import Path

SECRET_KEY = "only-for-the-tests-" + "x" * 40
DEBUG = False
ALLOWED_HOSTS = ["testserver", "localhost", "127.0.0.1"]
INSTALLED_APPS = [
    "daphne",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "phoenix_sessions",
    "phoenix_sessions.backends.database",
    "phoenix_sessions.contrib.chat",
    "shop",
]
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "phoenix_sessions.middleware.SessionProcessMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [Path(__file__).parent / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
ROOT_URLCONF = "testsite.urls"
ASGI_APPLICATION = "testsite.asgi.application"
STATIC_URL = "/static/"
STATICFILES_DIRS = [Path(__file__).parent / "static"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
PHOENIX_SESSIONS = {
    "RATE_LIMIT": None,
    "REDUCERS": ["testsite.reducers.CounterReducer"],
    # The whole suite, or a part of it, with its sessions on a shared backend.
    **json.loads(os.environ.get("PHOENIX_SESSIONS_TEST_SETTINGS", "{}")),
}
