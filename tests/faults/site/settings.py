"""The site that the workers serve; what its sessions live in comes from the environment, as JSON."""

import json
import os
from pathlib import Path

SECRET_KEY = "only-for-the-faults-" + "x" * 40
DEBUG = False
ALLOWED_HOSTS = ["127.0.0.1"]
INSTALLED_APPS = ["daphne", "django.contrib.sessions", "django.contrib.staticfiles", "phoenix_sessions", "faults.site"]
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "phoenix_sessions.middleware.SessionProcessMiddleware",
]
SESSION_ENGINE = "django.contrib.sessions.backends.signed_cookies"  # so every worker knows every visitor
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [Path(__file__).parent / "templates"],
        "OPTIONS": {"context_processors": []},
    }
]
if "FAULTS_DATABASES" in os.environ:
    INSTALLED_APPS += ["phoenix_sessions.backends.database"]
DATABASES = json.loads(os.environ.get("FAULTS_DATABASES", "{}"))
ROOT_URLCONF = "faults.site.urls"
ASGI_APPLICATION = "faults.site.asgi.application"
TIME_ZONE = "UTC"
STATIC_URL = "/static/"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
PHOENIX_SESSIONS = {
    "RATE_LIMIT": None,
    "REDUCERS": ["faults.site.reducers.LedgerReducer", "faults.site.reducers.NotesReducer"],
    **json.loads(os.environ.get("FAULTS_SESSIONS", "{}")),
}
