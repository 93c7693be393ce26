"""The bench: what a session costs, beside the same work in bare Python and beside other ways to have a session.

Modules: ``core`` (the rows), ``floors`` (the same work, bare), ``peers`` (a task or a thread per session),
``measure`` (how time is taken), ``memory`` (bytes), ``machine`` (where it ran), ``table`` (for reading).
"""
