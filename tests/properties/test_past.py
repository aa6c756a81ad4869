"""A balance as of any past instant equals that of a plain model at that instant."""

from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any, NamedTuple
from unittest import mock

import pytest
from django.db import connection, transaction
from hypothesis import given, settings
from hypothesis import strategies as st

from billing.models import Customer, LedgerEntry
from billing.use_cases.ledger import hold_credit
from billing.use_cases.past.position_at import position_at
from billing.use_cases.past.trial_balance import trial_balance

from .test_lots import DAY, Game, steps

pytestmark = pytest.mark.django_db

TICK = timedelta(microseconds=1)


class Known(NamedTuple):
    """The model's lots that were left at an instant, as amount, held part and expiry."""

    lots: list[tuple[int, int, datetime | None]]


class RememberingGame(Game):
    """A game that remembers its model's lots after the last step of each instant."""

    def __init__(self) -> None:
        super().__init__()
        self.known: dict[datetime, Known] = {}

    def compare(self) -> None:
        super().compare()
        left = [(lot.left, lot.held, lot.expires_at) for lot in self.model.lots if lot.left]
        self.known[self.now] = Known(left)

    def check_past(self) -> None:
        instants = sorted(self.known)
        for at, following in zip(instants, [*instants[1:], instants[-1] + 50 * DAY], strict=True):
            for asked in (at, at + (following - at) / 2, following - TICK):
                self.check(asked, self.known[at])

    def check(self, at: datetime, known: Known) -> None:
        found = position_at(Customer.objects.get(pk=self.customer), at=at, with_lots=True)
        expired = sum(left - held for left, held, expiry in known.lots if expiry is not None and expiry <= at)
        assert (found.balance_minor, found.held_minor, found.expired_minor) == (
            sum(left for left, _, _ in known.lots),
            sum(held for _, held, _ in known.lots),
            expired,
        )
        lots = sorted((each.left_minor, each.held_minor, str(each.expires_at)) for each in found.lots)
        assert lots == sorted((left, held, str(expiry)) for left, held, expiry in known.lots)
        entries = LedgerEntry.objects.filter(account_id=self.customer, created_at__lte=at)
        kept = entries.filter(reverses=None)
        undone = LedgerEntry.objects.filter(reverses__in=kept)
        assert found.corrected_minor == sum(
            amount for rows in (kept, undone) for amount in rows.values_list("amount_minor", flat=True)
        )
        balance = trial_balance(at=at)
        assert (balance.balance_minor, balance.corrected_minor, balance.held_minor) == (
            found.balance_minor,
            found.corrected_minor,
            found.held_minor,
        )


@settings(max_examples=15)
@given(st.lists(steps, min_size=4, max_size=12))
def test_the_past_is_what_a_plain_model_had(history: list[Any]) -> None:
    with transaction.atomic():
        game = RememberingGame()
        with mock.patch.object(hold_credit, "timezone", SimpleNamespace(now=lambda: game.now)):
            game.play(history)
        game.check_past()
        transaction.set_rollback(True)


def test_no_entry_is_older_than_the_one_before_it() -> None:
    game = RememberingGame()
    game.grant(10, life=None, sold=False)
    game.now -= DAY
    game.grant(20, life=None, sold=False)
    times = (
        LedgerEntry.objects.filter(account_id=game.customer).order_by("version").values_list("created_at", flat=True)
    )
    assert len(set(times)) == 1
    with connection.cursor() as cursor:
        cursor.execute("SELECT billing_version_at(%s, %s)", [game.customer, times[0]])
        assert cursor.fetchone() == (2,)
        cursor.execute("SELECT billing_version_at(%s, %s)", [game.customer, times[0] - TICK])
        assert cursor.fetchone() == (0,)
