"""Floor 1: sessions as supervised processes, on the standard library's concurrency; no Django."""
