"""What the accounts of all writers say, beside what the sessions hold."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .account import Account, Key
from .site import numbers


@dataclass
class Verdict:
    """Whether each increment was applied as often as it should be. All are counts if nothing else is said.

    Attributes:
        sent: Increments.
        acknowledged: Those that were answered with a version.
        applied: What the sessions have counted.
        unknown_applied: Not acknowledged, and applied.
        unknown_not_applied: Not acknowledged, and not applied.
        doubled: Applied more than once.
        lost: Acknowledged and not applied, with the time when it was sent (seconds, monotonic).
        invented: Applied, and never sent.
        miscounted: Sessions whose count is not the number of what they have seen.
        disagreeing: Sessions of which two workers say different things.
        went_back: Answers with an older version than the answer before.
        requests: What was sent to do it.
        moved: Requests sent again because a kept connection was closed.
        errors: Answers that are no acknowledgement, by kind.
        longest: The longest that anybody waited for an answer (seconds).
    """

    sent: int = 0
    acknowledged: int = 0
    applied: int = 0
    unknown_applied: int = 0
    unknown_not_applied: int = 0
    doubled: int = 0
    lost: dict[tuple[str, Key], float] = field(default_factory=dict)
    invented: int = 0
    miscounted: int = 0
    disagreeing: int = 0
    went_back: int = 0
    requests: int = 0
    moved: int = 0
    errors: Counter[str] = field(default_factory=Counter)
    longest: float = 0.0

    @property
    def wrong(self) -> bool:
        """Whether anything is there that should not be; what is lost is another matter."""
        return bool(self.doubled or self.invented or self.miscounted or self.disagreeing)


def judge(accounts: Sequence[Account], held: Sequence[Mapping[str, Any]]) -> Verdict:
    """Return the verdict.

    Args:
        accounts: Of all writers; they have ended.
        held: What each worker says that the sessions hold, by id; None = there is no such session.
    """
    truth = held[0]
    verdict = Verdict(disagreeing=sum(any(other[id] != truth[id] for other in held) for id in truth))
    for account in accounts:
        _add(verdict, account)
    for id, ledger in truth.items():
        _judge_session(verdict, id, ledger or {"count": 0, "doubled": 0, "seen": {}}, accounts)
    return verdict


def _add(verdict: Verdict, account: Account) -> None:
    verdict.sent += account.sent.total()
    verdict.acknowledged += len(account.acknowledged)
    verdict.went_back += account.went_back
    verdict.requests += account.requests
    verdict.moved += account.moved
    verdict.errors += account.errors
    verdict.longest = max(verdict.longest, account.longest)


def _judge_session(verdict: Verdict, id: str, ledger: Mapping[str, Any], accounts: Sequence[Account]) -> None:
    seen = {writer: numbers.members(ranges) for writer, ranges in ledger["seen"].items()}
    verdict.applied += ledger["count"]
    verdict.doubled += ledger["doubled"]
    verdict.miscounted += ledger["count"] != ledger["doubled"] + sum(map(len, seen.values()))
    for account in accounts:
        applied = seen.pop(account.writer, set())
        verdict.invented += sum(number > account.sent[id] for number in applied)
        for number in range(1, account.sent[id] + 1):
            key = (id, number)
            if key in account.unknown:
                verdict.unknown_applied += number in applied
                verdict.unknown_not_applied += number not in applied
            elif number not in applied:
                verdict.lost[account.writer, key] = account.acknowledged[key]
    verdict.invented += sum(map(len, seen.values()))
