"""Random histories of one account on a clock of its own, each step compared with a plain model of its lots."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import transaction
from hypothesis import given
from hypothesis import strategies as st

from billing.errors import InsufficientCredit
from billing.locks import lock_account
from billing.models import Account, LedgerEntry, Lot
from billing.use_cases.ledger.hold_credit import capture_hold, hold_credit, release_hold
from billing.use_cases.ledger.post_entry import grant_credit, reverse_entry, spend_credit
from billing.use_cases.ledger.verify_ledger import verify_ledger
from tests.factories import CustomerFactory, actor

pytestmark = pytest.mark.django_db

START = datetime(2100, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
GRACE = 30 * DAY
Taken = list[tuple["ModelLot", int]]


@dataclass(eq=False)
class ModelLot:
    age: int
    left: int
    expires_at: datetime | None
    sold: bool
    held: int = 0

    @property
    def free(self) -> int:
        return self.left - self.held

    def comes_before(self) -> tuple[datetime, bool, int]:
        return (self.expires_at or datetime.max.replace(tzinfo=UTC), self.sold, self.age)


@dataclass
class Model:
    """Spends lots by the rules in words: the soonest expiry first, sold credit last, then the oldest."""

    lots: list[ModelLot] = field(default_factory=list)

    def expire(self, now: datetime) -> None:
        for lot in self.lots:
            if lot.expires_at is not None and lot.expires_at <= now:
                lot.left = lot.held

    def take(self, amount: int, *, first: ModelLot | None = None) -> Taken:
        if amount > sum(lot.free for lot in self.lots):
            raise InsufficientCredit
        taken = []
        for lot in sorted(self.lots, key=lambda each: (each is not first, each.comes_before())):
            part = min(amount, lot.free)
            if part:
                taken.append((lot, part))
                amount -= part
        return taken

    def give_back(self, taken: Taken, now: datetime) -> None:
        for lot, part in taken:
            lot.left += part
            if lot.expires_at is not None and lot.expires_at <= now:
                lot.expires_at = now + GRACE


amounts = st.integers(min_value=1, max_value=30)
lives = st.sampled_from([None, None, 1, 2, 5, 40])
waits = st.sampled_from([0, 0, 0.5, 1, 3, 35])
picks = st.integers(min_value=0, max_value=50)
steps = st.tuples(
    st.sampled_from(
        ["grant", "grant", "spend", "spend", "hold", "capture", "release", "reverse spend", "reverse grant"]
    ),
    waits,
    amounts,
    lives,
    st.booleans(),
    picks,
)


@given(st.lists(steps, min_size=4, max_size=22))
def test_lots_follow_a_plain_model(history: list[Any]) -> None:
    with transaction.atomic():
        Game().play(history)
        transaction.set_rollback(True)


class Game:
    def __init__(self) -> None:
        self.model, self.now, self.by = Model(), START, actor()
        self.customer = CustomerFactory.create().pk
        self.grants: dict[UUID, ModelLot] = {}
        self.spends: dict[UUID, Taken] = {}
        self.holds: dict[UUID, Taken] = {}

    def play(self, history: list[Any]) -> None:
        # Credit that expires, so that the account has lots from its first entry on.
        self.grant(1, life=1_000, sold=False)
        for verb, wait, amount, life, sold, pick in history:
            self.now += wait * DAY
            lock_account(customer_id=self.customer, now=self.now)
            self.model.expire(self.now)
            self.step(verb, amount=amount, life=life, sold=sold, pick=pick)
            self.compare()
        assert verify_ledger().wrong == ""

    def step(self, verb: str, *, amount: int, life: int | None, sold: bool, pick: int) -> None:
        if verb == "grant":
            self.grant(amount, life=life, sold=sold)
        elif verb in ("spend", "hold"):
            self.take(verb, amount)
        elif verb in ("capture", "release") and self.holds:
            self.close(verb, list(self.holds)[pick % len(self.holds)])
        elif verb == "reverse spend" and self.spends:
            entry = list(self.spends)[pick % len(self.spends)]
            reverse_entry(entry_id=entry, why="test", by=self.by, now=self.now)
            self.model.give_back(self.spends.pop(entry), self.now)
        elif verb == "reverse grant" and self.grants:
            self.reverse_grant(list(self.grants)[pick % len(self.grants)])

    def grant(self, amount: int, *, life: int | None, sold: bool) -> None:
        expires_at = None if life is None else self.now + life * DAY
        entry = grant_credit(
            customer_id=self.customer,
            amount_minor=amount,
            reason="gift",
            credit_class="sold" if sold else "promotional",
            expires_at=expires_at,
            by=self.by,
            now=self.now,
        )
        lot = ModelLot(age=len(self.model.lots), left=amount, expires_at=expires_at, sold=sold)
        self.model.lots.append(lot)
        self.grants[entry.pk] = lot

    def take(self, verb: str, amount: int) -> None:
        order, common = uuid4(), {"customer_id": self.customer, "amount_minor": amount, "now": self.now}
        try:
            taken = self.model.take(amount)
        except InsufficientCredit:
            with pytest.raises(InsufficientCredit):
                self.write(verb, order, common)
            return
        written = self.write(verb, order, common)
        for lot, part in taken:
            if verb == "hold":
                lot.held += part
            else:
                lot.left -= part
        (self.holds if verb == "hold" else self.spends)[order if verb == "hold" else written] = taken

    def write(self, verb: str, order: UUID, common: dict[str, Any]) -> UUID:
        if verb == "hold":
            return UUID(str(hold_credit(order_id=order, **common).pk))
        return UUID(str(spend_credit(order_id=order, by=self.by, **common).pk))

    def close(self, verb: str, order: UUID) -> None:
        taken = self.holds.pop(order)
        for lot, part in taken:
            lot.held -= part
            if verb == "capture":
                lot.left -= part
        if verb == "capture":
            self.spends[capture_hold(order_id=order, by=self.by, now=self.now).pk] = taken
        else:
            release_hold(order_id=order)
            lock_account(customer_id=self.customer, now=self.now)
            self.model.expire(self.now)

    def reverse_grant(self, entry: UUID) -> None:
        lot, amount = self.grants[entry], LedgerEntry.objects.get(pk=entry).amount_minor
        expired = LedgerEntry.objects.filter(lot_id=entry, kind="expiry", ledgerentry=None)
        back = -sum(expired.values_list("amount_minor", flat=True))
        if amount > sum(each.free for each in self.model.lots) + back:
            with pytest.raises(InsufficientCredit):
                reverse_entry(entry_id=entry, why="test", by=self.by, now=self.now)
            return
        reverse_entry(entry_id=entry, why="test", by=self.by, now=self.now)
        if back:
            self.model.give_back([(lot, back)], self.now)
        for each, part in self.model.take(amount, first=lot):
            each.left -= part
        del self.grants[entry]

    def compare(self) -> None:
        account = Account.objects.get(pk=self.customer)
        lots = self.model.lots
        expected = (sum(lot.left for lot in lots), sum(lot.held for lot in lots))
        assert (account.balance_minor, account.held_minor) == expected
        stored = Lot.objects.filter(account=self.customer).order_by("version")
        assert [(lot.left_minor, lot.held_minor, lot.expires_at) for lot in stored] == [
            (lot.left, lot.held, lot.expires_at) for lot in lots
        ]
        soonest = [lot.expires_at for lot in lots if lot.free and lot.expires_at is not None]
        assert account.next_expiry == min(soonest, default=None)
