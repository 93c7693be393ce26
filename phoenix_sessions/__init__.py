"""A process for every session, in Django.

Where things are, from the ground up (imports point downwards only):

=============  ===========================================================================================
``core``       the store as pure values: actions, reducers, mounts, selectors, subscriptions, limits, errors
``runtime``    sessions as supervised processes: mailbox, session, registry, expiry, background, telemetry
``backends``   where the truth of a session may live: in memory, in Redis, in a database; bytes and numbers only
``process``    what a user declares (``SessionProcess``); ``ref``, ``manager``: what a user calls; ``conf``: settings
``shared``     sessions whose truth is in a backend, as one worker has them: cached, committed, watched
``middleware`` ``consumers``, ``checks``, ``management``, ``testing``, …: Django's doors
=============  ===========================================================================================

One click, followed through the house: view → ``ref`` → ``runtime/session`` (in its ``runtime/mailbox``) →
``core/mounts`` and the reducer → ``core/subscriptions`` → ``consumers``.
"""

from __future__ import annotations

from .changes import Change
from .core.action import Action
from .core.declared import effect, on
from .core.errors import (
    BackendError,
    BackendUnavailable,
    CallFailed,
    CallTimeout,
    CastFailed,
    Conflict,
    EventTooLarge,
    Fenced,
    InvalidAction,
    InvalidReducer,
    InvalidSessionId,
    InvalidSnapshot,
    MailboxFull,
    NotSerializable,
    RateLimitExceeded,
    ReducerError,
    ReentrantCall,
    SelectorError,
    SessionAlreadyStarted,
    SessionError,
    SessionLimitReached,
    SessionNotFound,
    SessionStopped,
    ShuttingDown,
    StateMutated,
    StateTooLarge,
    VersionNotFound,
)
from .core.events import Gap, StreamEvent
from .core.history import HistoryEntry
from .core.memoised import create_selector
from .core.pacing import debounce, throttle
from .core.reducer import Reducer
from .core.replies import NoReply, Reply, Restart, Stop
from .core.state import State
from .effect_handle import EffectHandle
from .finding import SessionPage
from .lease import Lease
from .listening import StreamListener
from .manager import SessionManager, sessions
from .process import SessionProcess
from .ref import SessionRef
from .runtime.health import SessionHealth
from .runtime.stats import SessionFacts, SessionInfo, SessionStats
from .stream import Stream
from .subscription import Subscription

__version__ = "0.1.0"

__all__ = [
    "Action",
    "BackendError",
    "BackendUnavailable",
    "CallFailed",
    "CallTimeout",
    "CastFailed",
    "Change",
    "Conflict",
    "EffectHandle",
    "EventTooLarge",
    "Fenced",
    "Gap",
    "HistoryEntry",
    "InvalidAction",
    "InvalidReducer",
    "InvalidSessionId",
    "InvalidSnapshot",
    "Lease",
    "MailboxFull",
    "NoReply",
    "NotSerializable",
    "RateLimitExceeded",
    "Reducer",
    "ReducerError",
    "ReentrantCall",
    "Reply",
    "Restart",
    "SelectorError",
    "SessionAlreadyStarted",
    "SessionError",
    "SessionFacts",
    "SessionHealth",
    "SessionInfo",
    "SessionLimitReached",
    "SessionManager",
    "SessionNotFound",
    "SessionPage",
    "SessionProcess",
    "SessionRef",
    "SessionStats",
    "SessionStopped",
    "ShuttingDown",
    "State",
    "StateMutated",
    "StateTooLarge",
    "Stop",
    "Stream",
    "StreamEvent",
    "StreamListener",
    "Subscription",
    "VersionNotFound",
    "create_selector",
    "debounce",
    "effect",
    "on",
    "sessions",
    "throttle",
]
