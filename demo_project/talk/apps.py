"""The app."""

from django.apps import AppConfig


class TalkConfig(AppConfig):
    """``INSTALLED_APPS = [..., "phoenix_sessions.contrib.chat", "talk"]``."""

    name = "talk"

    def ready(self) -> None:
        """Have the agent answer in this worker."""
        from . import agents  # noqa: F401
