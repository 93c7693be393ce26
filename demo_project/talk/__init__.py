"""The demo's chat: a page of its own on ``phoenix_sessions.contrib.chat``."""
