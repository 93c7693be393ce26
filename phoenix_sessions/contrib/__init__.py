"""Whole systems on the public names of phoenix_sessions."""
