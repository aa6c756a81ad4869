"""Threads gathered before a combiner until as many are there as a test wants, so that they are done together."""

from collections.abc import Hashable, Iterator, Sequence
from contextlib import contextmanager
from threading import Event, Thread
from typing import Any

import pytest
from billing.combining import Combiner

from billing import combining
from billing.models import Organization
from orders.models import Plan
from orders.use_cases.checkout.place_order import CheckoutRequest
from tests.concurrency.threads import PATIENCE_SECONDS
from tests.concurrency.wait_for import wait_until

AnyCombiner = Combiner[Any, Any]


class BlockedLeader:
    """Stands for somebody at work: who asks for the same kind waits until it is opened."""

    def __init__(self, combiner: AnyCombiner, kind: Hashable) -> None:
        self._combiner = combiner
        self._kind = kind
        self._opened = Event()

    def wait_for(self, number: int) -> None:
        """Looks until so many wait."""
        wait_until(lambda: count_waiters(self._combiner, self._kind) == number, f"gathering of {number} threads")

    def open(self) -> None:
        self._opened.set()

    def keep(self) -> None:
        """Is at work until the door is opened."""
        self._combiner.do(self._kind, self, str)

    def stand(self) -> None:
        assert self._opened.wait(PATIENCE_SECONDS)


def count_waiters(combiner: AnyCombiner, kind: Hashable) -> int:
    """How many threads wait for their turn; -1 where nobody is at work."""
    known = combiner._kinds.get(kind)
    return -1 if known is None else len(known.waiting)


@contextmanager
def block_leader(combiner: AnyCombiner, kind: Hashable) -> Iterator[BlockedLeader]:
    """A door before the combiner, closed at first; nobody loses patience before it, nor begins beside it."""
    door, alone = BlockedLeader(combiner, kind), combiner._alone

    def stand_or_do(asked: Any) -> Any:
        return door.stand() if asked is door else alone(asked)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(combining, "PATIENCE_SECONDS", PATIENCE_SECONDS)
        patch.setattr(combining, "AT_ONCE", 1)
        patch.setattr(combiner, "_alone", stand_or_do)
        keeper = Thread(target=door.keep)
        keeper.start()
        wait_until(lambda: count_waiters(combiner, kind) == 0, "closing of the door")
        try:
            yield door
        finally:
            door.open()
            keeper.join(PATIENCE_SECONDS)
    assert combiner._kinds == {}


@contextmanager
def record_batches(combiner: AnyCombiner) -> Iterator[list[list[bool]]]:
    """What is done together meanwhile: for each batch, whether each of those asked was done."""
    batches: list[list[bool]] = []
    together = combiner._together

    def do_and_note(asked: Sequence[Any]) -> Any:
        note: list[bool] = [False] * len(asked)
        batches.append(note)
        told = together(asked)
        note[:] = [each is not None for each in told]
        return told

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(combiner, "_together", do_and_note)
        yield batches


def request_of(organization: Organization, plan: Plan, code: str = "", *, key: str = "") -> CheckoutRequest:
    """A checkout of the plan; one under a key has a body."""
    return CheckoutRequest(
        tenant_id=organization.id,
        plan=plan.slug,
        promo_code=code,
        idempotency_key=key,
        fingerprint="body" if key else "",
    )
