"""An agent of a site, which its settings name."""

import threading


def shout(turn):
    return turn.text.upper()


def stay(turn):
    threading.Event().wait()
