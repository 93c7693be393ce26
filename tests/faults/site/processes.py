"""Process classes beside the default one, which is what the settings say."""

from phoenix_sessions import SessionProcess

from .reducers import LedgerReducer, NotesReducer


class OwnedProcess(SessionProcess):
    """Lives in the memory of one worker, its owner, who writes it to the engine now and then."""

    reducers = [LedgerReducer, NotesReducer]
    durability = "write_behind"
