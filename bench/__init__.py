"""The bench: what a session costs, beside the same work in bare Python and beside other ways to have a session.

What is measured: ``groups`` (the rows, a module for each group), ``floors`` (the same work, bare), ``peers`` (a task,
a thread or a pykka actor for each session), ``memory`` (bytes), ``site`` (Django's settings).

How: ``measure`` (how time is taken), ``child`` (one group in a fresh process), ``wire`` (what it tells), ``report`` (a
whole run), ``machine`` (where it ran), ``baseline`` (what it must not fall behind), ``table``, ``charts``.

Of sessions in an engine: ``engines`` (where), ``documents`` (the sessions), ``bare`` (the same commit without us),
``backend_workers`` and ``backend_worker`` (OS processes that dispatch), ``medians``, ``backend_bytes``,
``backend_costs``.

Of the chat: ``chat_load`` (a busy chat), ``chat_client`` (who talks), ``chat_wire`` (their WebSockets), ``chat_places``
(who talks where), ``chat_steps`` (how a rate is borne), ``chat_server`` and ``chat_site`` (what daphne serves),
``chat_usual`` and ``chat_usual_site`` (the same as people write it), ``chat_shown`` (a table, and a chart),
``processor`` (what a process has used).

Of the soak: ``soak`` (its phases and checks), ``soakers`` (who acts), ``soaked`` (the sessions).
"""
