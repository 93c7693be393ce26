"""Settings of the demo, from the environment (or a ``.env`` file beside manage.py); see ``.env.example``.

Rules:
    1. With nothing set it runs for development, on SQLite, with sessions in this process's memory;
       ``PHOENIX_SESSIONS_BACKEND=redis`` or ``database`` has all workers share them.
    2. With DEBUG off it insists on a SECRET_KEY of your own.
    3. Every key of PHOENIX_SESSIONS can be set, as ``PHOENIX_SESSIONS_<KEY>``.
"""

from pathlib import Path

import environ
from django.core.exceptions import ImproperlyConfigured

BASE_DIR = Path(__file__).resolve().parent.parent
DEVELOPMENT_KEY = "development-only-this-key-is-public-and-refused-when-DEBUG-is-off"

env = environ.Env()
if (BASE_DIR / ".env").exists():
    env.read_env(BASE_DIR / ".env")


def duration_or_none(text: str) -> float | None:
    """Return seconds, or None for "none"."""
    return None if text.lower() == "none" else float(text)


def text_or_none(text: str) -> str | None:
    """Return the text, or None for "none"."""
    return None if text.lower() == "none" else text


def backend(name: str) -> str:
    """Return the dotted path of a backend, which may be given by a short name."""
    return BACKENDS.get(name, name)


BACKENDS = {
    "memory": "phoenix_sessions.backends.memory.MemoryBackend",
    "redis": "phoenix_sessions.backends.redis.RedisBackend",
    "database": "phoenix_sessions.backends.database.DatabaseBackend",
}

DEBUG = env.bool("DEBUG", default=True)
SECRET_KEY = env.str("SECRET_KEY", default=DEVELOPMENT_KEY)
if not DEBUG and SECRET_KEY == DEVELOPMENT_KEY:
    raise ImproperlyConfigured(
        "DEBUG is off, so SECRET_KEY must be set to a key of your own; the default one is public"
    )
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"])
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])

INSTALLED_APPS = [
    "daphne",  # first, so that runserver serves ASGI
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "ninja",  # the files of the page at /chat/docs
    "phoenix_sessions",
    "phoenix_sessions.backends.database",  # its tables; they stay empty unless PHOENIX_SESSIONS_BACKEND=database
    "phoenix_sessions.contrib.chat",
    "shop",
    "talk",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "shop.middleware.content_security_policy",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "phoenix_sessions.middleware.SessionProcessMiddleware",
]
ROOT_URLCONF = "config.urls"
ASGI_APPLICATION = "config.asgi.application"
WSGI_APPLICATION = "config.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "shop.context.live",
            ]
        },
    }
]

DATABASES = {"default": env.db_url("DATABASE_URL", default=f"sqlite:///{BASE_DIR / 'db.sqlite3'}")}
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    # Readers do not block the writer, and two writers wait for each other instead of failing.
    DATABASES["default"]["OPTIONS"] = {"transaction_mode": "IMMEDIATE", "init_command": "PRAGMA journal_mode=WAL;"}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "login"
SECURE_REFERRER_POLICY = "same-origin"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = env.bool("SECURE_COOKIES", default=not DEBUG)

STATIC_URL = "static/"
STATIC_ROOT = env.path("STATIC_ROOT", default=str(BASE_DIR / "static"))
LANGUAGE_CODE = "en-gb"
USE_TZ = True
TIME_ZONE = "UTC"  # what pages show until their script has turned it into the visitor's
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"plain": {"format": "{levelname} {message}", "style": "{"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "plain"}},
    "loggers": {"phoenix_sessions": {"handlers": ["console"], "level": "INFO" if DEBUG else "WARNING"}},
}

PHOENIX_SESSIONS = {
    "SESSION_PROCESS": env.str("PHOENIX_SESSIONS_SESSION_PROCESS", default="shop.processes.GuestSession"),
    "REDUCERS": env.list("PHOENIX_SESSIONS_REDUCERS", default=[]),
    "SESSION_TTL": duration_or_none(env.str("PHOENIX_SESSIONS_SESSION_TTL", default="3600")),
    "MAX_SESSIONS": env.int("PHOENIX_SESSIONS_MAX_SESSIONS", default=10_000),
    "RATE_LIMIT": text_or_none(env.str("PHOENIX_SESSIONS_RATE_LIMIT", default="100/m")),
    "UNMATCHED_ACTION_HANDLER": env.str("PHOENIX_SESSIONS_UNMATCHED_ACTION_HANDLER", default="log"),
    "HISTORY_LIMIT": env.int("PHOENIX_SESSIONS_HISTORY_LIMIT", default=100),
    "MAX_EFFECTS": env.int("PHOENIX_SESSIONS_MAX_EFFECTS", default=10),
    "CALL_TIMEOUT": env.float("PHOENIX_SESSIONS_CALL_TIMEOUT", default=5.0),
    "KEEP_ALIVE_WHILE_SUBSCRIBED": env.bool("PHOENIX_SESSIONS_KEEP_ALIVE_WHILE_SUBSCRIBED", default=True),
    "AUTO_START": env.bool("PHOENIX_SESSIONS_AUTO_START", default=True),
    "STOP_TIMEOUT": env.float("PHOENIX_SESSIONS_STOP_TIMEOUT", default=10.0),
    "BACKEND": backend(env.str("PHOENIX_SESSIONS_BACKEND", default="memory")),
    "OPTIONS": env.json("PHOENIX_SESSIONS_OPTIONS", default={}),
    "DURABILITY": text_or_none(env.str("PHOENIX_SESSIONS_DURABILITY", default="none")),
    "MAX_STATE_BYTES": env.int("PHOENIX_SESSIONS_MAX_STATE_BYTES", default=1024 * 1024),
    "PASSIVATE_AFTER": env.float("PHOENIX_SESSIONS_PASSIVATE_AFTER", default=60.0),
    "FLUSH_INTERVAL": env.float("PHOENIX_SESSIONS_FLUSH_INTERVAL", default=1.0),
    "OWNER_LEASE": env.float("PHOENIX_SESSIONS_OWNER_LEASE", default=10.0),
    "BACKEND_PATIENCE": env.float("PHOENIX_SESSIONS_BACKEND_PATIENCE", default=5.0),
}
