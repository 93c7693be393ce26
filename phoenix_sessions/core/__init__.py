"""Floor 0: the store's rules as pure values and functions; no clock, no I/O, no Django, no threads."""
