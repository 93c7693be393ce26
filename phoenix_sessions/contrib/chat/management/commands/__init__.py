"""A command for each module."""
