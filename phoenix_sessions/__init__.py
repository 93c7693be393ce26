"""A process for every session, in Django.

Where things are, from the ground up (imports point downwards only):

=============  ===========================================================================================
``core``       the store as pure values: actions, reducers, mounts, selectors, subscriptions, limits, errors
``runtime``    sessions as supervised processes: mailbox, session, registry, expiry, background, telemetry
``process``    what a user declares (``SessionProcess``); ``ref``, ``manager``: what a user calls; ``conf``: settings
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
    StateMutated,
    VersionNotFound,
)
from .core.history import HistoryEntry
from .core.memoised import create_selector
from .core.pacing import debounce, throttle
from .core.reducer import Reducer
from .core.replies import NoReply, Reply, Restart, Stop
from .core.state import State
from .effect_handle import EffectHandle
from .manager import SessionManager, sessions
from .process import SessionProcess
from .ref import SessionRef
from .runtime.health import SessionHealth
from .runtime.stats import SessionFacts, SessionInfo, SessionStats
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
    "Fenced",
    "HistoryEntry",
    "InvalidAction",
    "InvalidReducer",
    "InvalidSessionId",
    "InvalidSnapshot",
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
    "SessionProcess",
    "SessionRef",
    "SessionStats",
    "SessionStopped",
    "State",
    "StateMutated",
    "Stop",
    "Subscription",
    "VersionNotFound",
    "create_selector",
    "debounce",
    "effect",
    "on",
    "sessions",
    "throttle",
]
