"""A small shop whose cart lives in a session process.

=============  =======================================================================================
``catalog``    what is for sale; ``courier``: an invented service that is slow
``reducers``   what actions do to the counter and to carts; ``search`` and ``delivery``: to those pages
``actions``    which actions and effects a browser may ask for, and the shapes of payloads
``processes``  the kinds of session: a guest's, a customer's and the staff's
``selectors``  what pages show of the state, memoised; ``past``: what they show of the history
``consumers``  what sockets push; ``views``: pages and forms; ``facts``: what is known about a session
=============  =======================================================================================
"""
