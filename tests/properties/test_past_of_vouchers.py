"""The liability of a code at any past instant is the sum of what is left of its lots in each account."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from unittest import mock
from uuid import UUID, uuid4

import pytest
from django.db import connection, transaction
from hypothesis import given, settings
from hypothesis import strategies as st

from billing.errors import InsufficientCredit
from billing.models import LedgerEntry
from billing.use_cases.ledger import hold_credit as holds
from billing.use_cases.ledger.hold_credit import capture_hold, hold_credit, release_hold
from billing.use_cases.ledger.post_entry import grant_credit, reverse_entry, reverse_grant, spend_credit
from promos.models import Campaign, Redemption, UseSnapshot
from promos.use_cases.past.figures_at import Figures, Scope, recount
from promos.use_cases.past.voucher_at import campaign_at, code_at
from tests.factories import CampaignFactory, CustomerFactory, PromoCodeFactory, actor
from tests.rules import TRIGGERS_OFF

pytestmark = pytest.mark.django_db

START = datetime(2100, 1, 1, tzinfo=UTC)
DAY, TICK = timedelta(days=1), timedelta(microseconds=1)
# The lots of one account, by the function that a balance as of an instant has them from.
_LOTS = """
SELECT coalesce(sum(CASE WHEN l.expiry <= %(at)s THEN l.pinned_minor ELSE l.rest_minor END), 0)::bigint,
       coalesce(sum(l.pinned_minor), 0)::bigint
  FROM billing_lots_at(%(account)s, billing_version_at(%(account)s, %(at)s), %(at)s) AS l
  JOIN billing_ledgerentry e ON e.id = l.entry AND e.kind = 'grant' AND e.redemption_id IS NOT NULL
"""

verbs = ["redeem", "redeem", "gift", "spend", "spend", "hold", "capture", "release", "reverse"]
steps = st.tuples(
    st.sampled_from(verbs),
    st.integers(min_value=0, max_value=2),
    st.sampled_from([0, 0, 0.5, 1, 3, 35]),
    st.integers(min_value=1, max_value=30),
    st.sampled_from([None, None, None, None, 2, 40]),
    st.integers(min_value=0, max_value=50),
)


@contextmanager
def _redemption_triggers_off() -> Iterator[None]:
    """Let a redemption be of an instant in the future. The transaction goes on with its triggers."""
    with connection.cursor() as cursor:
        cursor.execute(TRIGGERS_OFF)
        yield
        cursor.execute("SET LOCAL session_replication_role = origin")


class Accounts:
    """Three accounts that redeem one code and spend its credit; each has lots from its first expiring credit on."""

    def __init__(self) -> None:
        self.now, self.by = START, actor()
        self.code = PromoCodeFactory.create(code="PAST", campaign_id=CampaignFactory.create(name="Past").pk)
        self.accounts = [CustomerFactory.create().pk for _ in range(3)]
        self.holds: list[UUID] = []
        self.instants = {START}

    def step(self, verb: str, account: int, *, amount: int, life: int | None, pick: int) -> None:
        common: dict[str, Any] = {"customer_id": self.accounts[account], "amount_minor": amount, "now": self.now}
        if verb in ("redeem", "gift"):
            redemption = self.redeem(common["customer_id"], amount) if verb == "redeem" else None
            expires_at = None if life is None else self.now + life * DAY
            grant_credit(reason="gift", redemption_id=redemption, expires_at=expires_at, by=self.by, **common)
        elif verb == "spend":
            spend_credit(order_id=uuid4(), by=self.by, **common)
        elif verb == "hold":
            order = uuid4()
            hold_credit(order_id=order, **common)
            self.holds.append(order)
        elif verb in ("capture", "release") and self.holds:
            order = self.holds.pop(pick % len(self.holds))
            capture_hold(order_id=order, by=self.by, now=self.now) if verb == "capture" else release_hold(
                order_id=order
            )
        elif verb == "reverse":
            kept = LedgerEntry.objects.filter(reverses=None, ledgerentry=None, kind__in=["grant", "spend"])
            if entries := list(kept.order_by("account_id", "version")):
                self.reverse(entries[pick % len(entries)])

    def reverse(self, entry: LedgerEntry) -> None:
        if entry.redemption_id is None:
            reverse_entry(entry_id=entry.pk, why="test", by=self.by, now=self.now)
        else:
            reverse_grant(redemption_id=entry.redemption_id, why="test", by=self.by)

    def redeem(self, customer: int, amount: int) -> UUID:
        with _redemption_triggers_off():
            made = Redemption.objects.create(
                promo_code=self.code,
                customer_id=customer,
                use_number=Redemption.objects.count() + 2,
                credit_minor=amount,
                status="confirmed",
                reserved_at=self.now,
                confirmed_at=self.now,
            )
        return made.pk

    def left_at(self, at: datetime) -> tuple[int, int]:
        """Return what each account's lots have left of the code's credit, and the held part of it."""
        sums = []
        with connection.cursor() as cursor:
            for account in self.accounts:
                cursor.execute(_LOTS, {"at": at, "account": account})
                sums.append(cursor.fetchone())
        return sum(left for left, _ in sums), sum(held for _, held in sums)

    def check(self, at: datetime) -> None:
        of_code = code_at("past", at=at).figures
        grants = LedgerEntry.objects.filter(kind="grant", redemption_id__isnull=False, created_at__lte=at)
        undone = LedgerEntry.objects.filter(reverses__in=grants, created_at__lte=at)
        redeemed = Redemption.objects.filter(reserved_at__lte=at)
        left_minor, held_minor = self.left_at(at)
        assert of_code == Figures(
            redemptions=redeemed.count(),
            customers=redeemed.values("customer_id").distinct().count(),
            granted_minor=sum(grants.values_list("amount_minor", flat=True)),
            taken_back_minor=-sum(undone.values_list("amount_minor", flat=True)),
            left_minor=left_minor,
            held_minor=held_minor,
        )


def store_snapshot(at: datetime) -> None:
    scope = Scope("campaign", Campaign.objects.get(name="Past").pk)
    UseSnapshot.objects.create(campaign_id=scope.key, at=at, **asdict(recount(scope, at=at)))


@settings(max_examples=10)
@given(st.lists(steps, min_size=4, max_size=16), st.floats(min_value=0, max_value=1, exclude_max=True))
def test_the_liability_of_a_code_is_the_sum_of_its_lots(history: list[Any], snapshot: float) -> None:
    """The campaign's figures follow from one snapshot, before or after; those of its one code are recounted."""
    with transaction.atomic():
        game = Accounts()
        with mock.patch.object(holds, "timezone", SimpleNamespace(now=lambda: game.now)):
            for verb, account, wait, amount, life, pick in history:
                game.now += wait * DAY
                with suppress(InsufficientCredit), transaction.atomic():
                    game.step(verb, account, amount=amount, life=life, pick=pick)
                game.instants |= {game.now, game.now - TICK}
        instants = sorted(game.instants | {game.now + 41 * DAY})
        store_snapshot(instants[int(snapshot * len(instants))])
        for at in instants:
            game.check(at)
            assert campaign_at("past", at=at).figures == code_at("past", at=at).figures
        transaction.set_rollback(True)
