"""The bench: what a session costs, beside the same work in bare Python and beside other ways to have a session.

Modules: ``core`` (the rows), ``floors`` (the same work, bare), ``peers`` (a task or a thread per session),
``measure`` (how time is taken), ``memory`` (bytes), ``machine`` (where it ran), ``site`` (Django's settings), ``table``
(for reading). Of the soak: ``soak`` (its phases and checks), ``soakers`` (who acts), ``soaked`` (the sessions).
"""
