"""Telemetry for those who listen elsewhere: the log, Django's signals."""
