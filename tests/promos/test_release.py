"""Release undoes count, redemption and credit together, or nothing at all; it is safe to call again."""

from uuid import UUID

import pytest
from django.db import connection, transaction

from billing.errors import EntryNotFound, EntryOfRedemption, ReasonRequired
from billing.models import Customer, LedgerEntry
from billing.queries import balance_of
from billing.use_cases.ledger.hold_credit import hold_credit
from billing.use_cases.ledger.post_entry import reverse_entry, spend_credit
from orders.use_cases.checkout.place_order import CheckoutRequest, place_order
from promos.errors import CreditSpent
from promos.models import PromoCode, PromoCounter, Redemption
from promos.use_cases.change_code import pause_code, retire_code
from promos.use_cases.issue_code import Terms, issue_code
from promos.use_cases.redeem_code import redeem, release, reserve
from tests.consistency import ledger_and_redemptions_agree, times_redeemed
from tests.factories import (
    CustomerFactory,
    OrganizationFactory,
    PlanFactory,
    PromoCodeFactory,
    acting,
    actor,
    give_credit,
)
from tests.snapshot import nothing_changes, only_changes

pytestmark = pytest.mark.django_db(transaction=True)

ORDER = UUID(int=1)
STAFF = actor()


@pytest.fixture
def ada() -> Customer:
    return CustomerFactory.create(user_id="ada")


@pytest.fixture(params=[{"max_redemptions": 3}, {"max_redemptions": 20, "hot": True}, {}], ids=["one", "hot", "open"])
def code(request: pytest.FixtureRequest) -> PromoCode:
    return PromoCodeFactory.create(code="GIFT", credit_minor=5_000, **request.param)


@pytest.fixture
def redemption(ada: Customer, code: PromoCode) -> Redemption:
    return redeem(code="GIFT", user_id="ada", by=acting(ada))


def test_release_undoes_count_redemption_and_credit_together(ada: Customer, redemption: Redemption) -> None:
    released = release(redemption=redemption, reason="ordered by mistake", by=STAFF)
    assert released is not None
    stored = Redemption.objects.get()
    assert (stored.status, stored.release_reason) == ("released", "ordered by mistake")
    assert stored.released_at is not None
    assert times_redeemed("GIFT") == 0
    balance = balance_of(user_id="ada")
    assert balance.credit_minor == 0
    assert [(entry.amount_minor, entry.reason) for entry in balance.entries] == [
        (-5_000, "reversal:promo:GIFT"),
        (5_000, "promo:GIFT"),
    ]
    reversal = LedgerEntry.objects.get(kind="reversal")
    assert (reversal.note, reversal.actor_id, reversal.redemption_id) == (
        "ordered by mistake",
        "superadmin",
        redemption.id,
    )
    assert ledger_and_redemptions_agree()


def test_second_release_changes_nothing(redemption: Redemption) -> None:
    release(redemption=redemption, reason="by mistake", by=STAFF)
    with nothing_changes():
        again = release(redemption=redemption, reason="by mistake", by=STAFF)
    assert again is not None
    assert again.status == "released"


def test_release_of_nothing_changes_nothing(redemption: Redemption) -> None:
    with nothing_changes():
        assert release(redemption=None, reason="by mistake", by=STAFF) is None


def test_count_never_goes_below_zero(redemption: Redemption) -> None:
    for _ in range(3):
        release(redemption=redemption, reason="by mistake", by=STAFF)
    assert times_redeemed("GIFT") == 0
    assert set(PromoCounter.objects.values_list("used", flat=True)) <= {0}


def test_released_slot_goes_to_the_next_customer(ada: Customer) -> None:
    PromoCodeFactory.create(code="GIFT", max_redemptions=1)
    first = redeem(code="GIFT", user_id="ada", by=acting(ada))
    release(redemption=first, reason="by mistake", by=STAFF)
    bob = CustomerFactory.create(user_id="bob")
    redeem(code="GIFT", user_id="bob", by=acting(bob))
    assert times_redeemed("GIFT") == 1
    assert ledger_and_redemptions_agree()


def test_customer_may_redeem_again_after_a_release(ada: Customer, redemption: Redemption) -> None:
    release(redemption=redemption, reason="by mistake", by=STAFF)
    second = redeem(code="GIFT", user_id="ada", by=acting(ada))
    assert second.id != redemption.id
    assert (times_redeemed("GIFT"), balance_of(user_id="ada").credit_minor) == (1, 5_000)
    release(redemption=redemption, reason="the first once more", by=STAFF)
    assert (times_redeemed("GIFT"), balance_of(user_id="ada").credit_minor) == (1, 5_000)
    assert ledger_and_redemptions_agree()


def test_release_never_touches_an_orders_spend(ada: Customer, redemption: Redemption) -> None:
    give_credit(ada, 9_000)
    spent = spend_credit(customer_id=ada.pk, amount_minor=9_000, order_id=ORDER, by=acting(ada))
    before = LedgerEntry.objects.filter(pk=spent.pk).values().get()
    release(redemption=redemption, reason="by mistake", by=STAFF)
    assert LedgerEntry.objects.filter(pk=spent.pk).values().get() == before
    assert not LedgerEntry.objects.filter(reverses=spent).exists()
    assert balance_of(user_id="ada").credit_minor == 0
    assert ledger_and_redemptions_agree()


def test_release_of_the_redemption_of_an_order_leaves_the_order_and_its_spend(ada: Customer) -> None:
    PlanFactory.create(slug="m", price_minor=9_000)
    PromoCodeFactory.create(code="GIFT", credit_minor=5_000, max_redemptions=3)
    give_credit(ada, 10_000)
    acme = OrganizationFactory.create(customer=ada)
    placed = place_order(request=CheckoutRequest(tenant_id=acme.id, plan="m", promo_code="GIFT"), by=acting(ada))
    with only_changes("promos_redemption", "promos_promocounter", "billing_ledgerentry", "billing_account"):
        release(redemption=Redemption.objects.get(), reason="by mistake", by=STAFF)
    entries = LedgerEntry.objects.filter(order_id=placed.order_id).order_by("version")
    assert list(entries.values_list("kind", "amount_minor")) == [
        ("grant", 5_000),
        ("spend", -9_000),
        ("reversal", -5_000),
    ]
    assert balance_of(user_id="ada").credit_minor == 1_000
    assert ledger_and_redemptions_agree()


def test_spent_credit_is_not_taken_back_and_nothing_changes(ada: Customer, redemption: Redemption) -> None:
    spend_credit(customer_id=ada.pk, amount_minor=1, order_id=ORDER, by=acting(ada))
    with nothing_changes(), pytest.raises(CreditSpent):
        release(redemption=redemption, reason="by mistake", by=STAFF)


def test_credit_held_for_an_open_payment_is_not_taken_back(ada: Customer, redemption: Redemption) -> None:
    hold_credit(customer_id=ada.pk, amount_minor=1, order_id=ORDER)
    with nothing_changes(), pytest.raises(CreditSpent):
        release(redemption=redemption, reason="by mistake", by=STAFF)


def test_credit_from_elsewhere_makes_a_release_possible(ada: Customer, redemption: Redemption) -> None:
    spend_credit(customer_id=ada.pk, amount_minor=4_000, order_id=ORDER, by=acting(ada))
    give_credit(ada, 4_000)
    release(redemption=redemption, reason="by mistake", by=STAFF)
    assert (times_redeemed("GIFT"), balance_of(user_id="ada").credit_minor) == (0, 0)


@pytest.mark.parametrize("stop", ["pause", "retire"])
def test_redemptions_of_paused_and_retired_codes_can_be_released(redemption: Redemption, stop: str) -> None:
    {"pause": pause_code, "retire": retire_code}[stop](code="GIFT", by=STAFF)
    release(redemption=redemption, reason="by mistake", by=STAFF)
    assert times_redeemed("GIFT") == 0
    assert ledger_and_redemptions_agree()


def test_release_after_the_cap_was_removed_or_put_on_keeps_the_count(ada: Customer) -> None:
    PromoCodeFactory.create(code="GIFT", credit_minor=5_000, max_redemptions=3)
    bob = CustomerFactory.create(user_id="bob")
    first = redeem(code="GIFT", user_id="ada", by=acting(ada))
    second = redeem(code="GIFT", user_id="bob", by=acting(bob))
    issue_code(code="GIFT", terms=Terms(credit_minor=5_000), by=STAFF)
    release(redemption=first, reason="by mistake", by=STAFF)
    assert times_redeemed("GIFT") == 1
    issue_code(code="GIFT", terms=Terms(credit_minor=5_000, max_redemptions=1), by=STAFF)
    assert times_redeemed("GIFT") == 1
    release(redemption=second, reason="by mistake", by=STAFF)
    assert times_redeemed("GIFT") == 0
    assert ledger_and_redemptions_agree()


@pytest.mark.parametrize("reason", ["", "  "])
def test_release_without_a_reason_is_refused(ada: Customer, redemption: Redemption, reason: str) -> None:
    later = PromoCodeFactory.create(code="LATER")
    reservation = reserve(promo_code=later, customer_id=ada.pk, order_id=ORDER)
    for live in (redemption, reservation):
        with nothing_changes(), pytest.raises(ReasonRequired):
            release(redemption=live, reason=reason, by=STAFF)


def test_long_reason_is_cut_in_the_redemption_and_whole_in_the_ledger(redemption: Redemption) -> None:
    why = "because " * 100
    release(redemption=redemption, reason=why, by=STAFF)
    assert Redemption.objects.get().release_reason == why[:200]
    assert LedgerEntry.objects.get(kind="reversal").note == why


def test_grant_of_a_redemption_is_undone_only_with_the_redemption(redemption: Redemption) -> None:
    granted = LedgerEntry.objects.get(kind="grant")
    with nothing_changes(), pytest.raises(EntryOfRedemption):
        reverse_entry(entry_id=granted.id, why="by mistake", by=STAFF)
    release(redemption=redemption, reason="by mistake", by=STAFF)
    for entry_id, error in (
        (granted.id, EntryOfRedemption),
        (LedgerEntry.objects.get(kind="reversal").id, EntryNotFound),
    ):
        with nothing_changes(), pytest.raises(error):
            reverse_entry(entry_id=entry_id, why="by mistake", by=STAFF)


def test_release_joins_the_callers_transaction(redemption: Redemption) -> None:
    with nothing_changes(), transaction.atomic():
        release(redemption=redemption, reason="by mistake", by=STAFF)
        transaction.set_rollback(True)
    assert connection.get_autocommit()
