"""What ``migrate`` does."""
