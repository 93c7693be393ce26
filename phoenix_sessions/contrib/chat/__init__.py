"""A chat runtime for people and agents, on session processes.

Where things are, from the ground up (imports point downwards only):

===========  ==========================================================================================
``types``    what is passed around: ``Message``, ``Conversation``, …; ``errors``, ``ids``, ``conf``
``models``   the tables
``storage``  the only place that asks the database: each function is one transaction
``writer``   every append of an OS process, many in one transaction, on a thread of its own
``live``     tells all workers what has happened; ``processes``: what is hot; ``feeds``: what a socket follows
``gateway``  the one door: commits first, tells then; ``agents``: participants that are programs; ``auth``: who asks
``api``      over HTTP; ``consumers``: over sockets; ``admin``, ``health``, ``metrics``, ``management``
===========  ==========================================================================================
"""
