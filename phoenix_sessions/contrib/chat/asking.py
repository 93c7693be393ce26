"""The verbs that change nothing that anybody follows live: each is storage's own, with an async twin."""

from __future__ import annotations

from . import storage
from .twins import twin


class Asking:
    """What may be asked, and who and where participants and agents are; arguments and errors are storage's.

    A ``viewer`` must be a member; None = the site itself, which may see everything.
    """

    history = staticmethod(storage.history)
    ahistory = staticmethod(twin(storage.history))

    message = staticmethod(storage.find_message)
    amessage = staticmethod(twin(storage.find_message))

    show_conversation = staticmethod(storage.show_conversation)
    ashow_conversation = staticmethod(twin(storage.show_conversation))

    list_conversations = staticmethod(storage.list_conversations)
    alist_conversations = staticmethod(twin(storage.list_conversations))

    inbox = staticmethod(storage.inbox)
    ainbox = staticmethod(twin(storage.inbox))

    # -- participants and agents ---------------------------------------------------------------------------------------

    create_participant = staticmethod(storage.create_participant)
    acreate_participant = staticmethod(twin(storage.create_participant))

    show_participant = staticmethod(storage.show_participant)
    ashow_participant = staticmethod(twin(storage.show_participant))

    list_participants = staticmethod(storage.list_participants)
    alist_participants = staticmethod(twin(storage.list_participants))

    register_agent = staticmethod(storage.register_agent)
    aregister_agent = staticmethod(twin(storage.register_agent))

    update_agent = staticmethod(storage.update_agent)
    aupdate_agent = staticmethod(twin(storage.update_agent))

    set_agent_status = staticmethod(storage.set_agent_status)
    aset_agent_status = staticmethod(twin(storage.set_agent_status))

    agent_endpoint = staticmethod(storage.agent_endpoint)
    aagent_endpoint = staticmethod(twin(storage.agent_endpoint))

    list_deliveries = staticmethod(storage.list_deliveries)
    alist_deliveries = staticmethod(twin(storage.list_deliveries))
