"""An agent of a site, which its settings name."""


def shout(turn):
    return turn.text.upper()
