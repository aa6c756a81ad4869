"""Records refused codes, so that staff can explain a refusal to a customer.

An attempt is recorded after the refused transaction was rolled back, and never makes the request fail. Attempts that
arrive together share one statement and one commit. A process records at most `MAX_PER_SECOND` of them. If the
database refuses one, the process records none for `PAUSE_SECONDS`. The log says how many were not recorded.
"""

import json
import logging
import time
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from datetime import datetime
from threading import Lock
from typing import Any

from django.conf import settings
from django.core.serializers.json import DjangoJSONEncoder
from django.db import Error, connection, transaction
from django.utils import timezone
from django.utils.crypto import salted_hmac

from billing.actor import ANONYMOUS, Actor
from billing.database.group_commit import GroupCommit
from promos.errors import PromoProblem
from promos.models import RefusedAttempt
from promos.models.batch import normal_card_code
from promos.queries import normal_code

logger = logging.getLogger(__name__)

MAX_PER_SECOND = 200
PAUSE_SECONDS = 5.0
# An unknown code of at least this many characters shows its first and last two, a shorter one nothing.
_MIN_MASKED_LENGTH = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class _Attempt:
    """One attempt, as attempts.sql reads it."""

    act: str
    rule: str
    text: str
    masked: str
    hash: str
    user: str
    address: str | None
    channel: str
    values: dict[str, Any]
    at: str


def record_attempt(
    problem: PromoProblem, *, code: str, act: RefusedAttempt.Act, by: Actor, now: datetime | None = None
) -> None:
    """Records that the code was refused. A failure is logged, and not raised.

    Args: code: as the customer entered it. by: the caller, who may be anonymous.
    Transaction: owns, with those of other requests; inside another's it is a savepoint.
    """
    if not _allowance.take():
        return
    # PostgreSQL stores neither surrogates nor NUL; no code has them.
    text = normal_code(code).encode(errors="replace").decode().replace("\0", "")
    attempt = _Attempt(
        act=act.value,
        rule=problem.rule or problem.code,
        text=problem.stored_as or text,
        masked=_mask(text),
        hash=hash_code(text),
        user="" if by.user_id == ANONYMOUS else by.user_id,
        address=by.address,
        channel=by.channel,
        values=problem.values,
        at=(now or timezone.now()).isoformat(),
    )
    try:
        if connection.in_atomic_block:
            _write([attempt])
        elif _group.submit(attempt) is None:
            _allowance.pause()
    except Error:
        logger.warning("a refused attempt was not recorded", exc_info=True)
        _allowance.pause()


def hash_code(text: str, *, secret: str | None = None) -> str:
    """Returns the keyed hash by which staff find the attempts of a code that they know."""
    known = normal_card_code(normal_code(text))
    return str(salted_hmac("refused code", known, secret=secret, algorithm="sha256").hexdigest())


def hashes_of(text: str) -> list[str]:
    """Returns the hashes of a code under the present secret key and under earlier ones."""
    return [hash_code(text, secret=secret) for secret in (None, *settings.SECRET_KEY_FALLBACKS)]


def _mask(text: str) -> str:
    shown = "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in text)
    return f"{shown[:2]}…{shown[-2:]}" if len(shown) >= _MIN_MASKED_LENGTH else "…"


def _write(attempts: Sequence[_Attempt]) -> list[bool]:
    text = json.dumps([asdict(attempt) for attempt in attempts], cls=DjangoJSONEncoder)
    savepoint = transaction.atomic() if connection.in_atomic_block else nullcontext()
    with savepoint, connection.cursor() as cursor:
        cursor.execute("SELECT promos_write_refused_attempts(%s)", [text])
    return [True] * len(attempts)


class _Allowance:
    """The number of attempts that this process may still record in the present second."""

    def __init__(self) -> None:
        self._lock, self._second, self._taken, self._lost = Lock(), 0, 0, 0
        self._paused_until = 0.0

    def take(self) -> bool:
        now = time.monotonic()
        with self._lock:
            if int(now) != self._second:
                self._second, self._taken, lost = int(now), 0, self._lost
                self._lost = 0
                if lost:
                    logger.warning("%s refused attempts were not recorded", lost)
            if self._taken >= MAX_PER_SECOND or now < self._paused_until:
                self._lost += 1
                return False
            self._taken += 1
            return True

    def pause(self) -> None:
        with self._lock:
            self._paused_until = time.monotonic() + PAUSE_SECONDS

    def reset(self) -> None:
        with self._lock:
            self._second = self._taken = self._lost = 0
            self._paused_until = 0.0


def forget_allowance() -> None:
    """Allows the full number of attempts again, as if the process had just started."""
    _allowance.reset()


_allowance = _Allowance()
_group: GroupCommit[_Attempt, bool] = GroupCommit(_write)
