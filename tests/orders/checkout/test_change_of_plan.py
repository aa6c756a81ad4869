"""A change of plan credits the unused part of the paid month, once, and the same order may use that credit."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from pytest_django import Settings

from billing.models import Account, Customer, Invoice, LedgerEntry, Organization, Subscription
from billing.use_cases.ledger.verify_ledger import verify_ledger
from orders.errors import AlreadySubscribed, PaymentProcessorNotConfigured
from orders.models import Order
from orders.use_cases.organizations.delete_organization import delete_organization
from tests.concurrency.threads import race
from tests.factories import PromoCodeFactory, acting, actor, give_credit
from tests.orders.conftest import Buy
from tests.orders.subscriptions.run_renewals import newest_subscription, renew
from tests.snapshot import nothing_changes

START = datetime(2027, 1, 1, tzinfo=UTC)
MONTH = timedelta(days=31)
HALF = START + MONTH / 2

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def no_processor(settings: Settings) -> None:
    settings.INITIAL_STRIPE_SECRET_KEY = ""


@pytest.fixture
def subscribed(ada: Customer, acme: Organization, buy: Buy) -> Subscription:
    """Acme is on plan `m` (9.000) since 1 January, and the balance is 0."""
    give_credit(ada, 9_000)
    buy("m", now=START)
    return newest_subscription()


def balance() -> int:
    return Account.objects.get().balance_minor


def prorations() -> list[tuple[str, int]]:
    return list(LedgerEntry.objects.filter(reason__startswith="proration:").values_list("reason", "amount_minor"))


def test_the_unused_part_pays_for_the_new_plan(subscribed: Subscription, ada: Customer, buy: Buy) -> None:
    give_credit(ada, 11_500)
    placed = buy("l", now=HALF)
    assert placed.balance_minor == balance() == 0
    assert prorations() == [(f"proration:{subscribed.id}", 4_500)]
    entry = LedgerEntry.objects.get(amount_minor=4_500)
    assert (entry.kind, entry.order_id, entry.actor_id) == ("grant", placed.order_id, "ada")
    subscribed.refresh_from_db()
    new = newest_subscription()
    assert (subscribed.status, subscribed.canceled_at) == ("canceled", HALF)
    assert (new.status, new.amount_minor, new.current_period_start) == ("active", 16_000, HALF)
    assert verify_ledger().sound


@pytest.mark.parametrize(
    ("used", "credited_minor"),
    [
        (timedelta(), 9_000),
        (timedelta(microseconds=1), 8_999),
        (timedelta(seconds=1), 8_999),
        (timedelta(days=1), 8_709),
        (MONTH - timedelta(seconds=298), 1),
        (MONTH - timedelta(seconds=297), 0),
        (MONTH, 0),
        (MONTH + timedelta(days=1), 0),
    ],
    ids=str,
)
def test_it_is_counted_to_the_second_and_rounded_down(
    subscribed: Subscription, buy: Buy, used: timedelta, credited_minor: int
) -> None:
    buy("flexi", now=START + used)
    assert balance() == credited_minor
    assert len(prorations()) == (credited_minor > 0)


def test_a_baisa_less_is_refused_and_changes_nothing(subscribed: Subscription, ada: Customer, buy: Buy) -> None:
    give_credit(ada, 11_499)
    with nothing_changes(), pytest.raises(PaymentProcessorNotConfigured):
        buy("l", now=HALF)


def test_a_voucher_and_the_unused_month_add_up(subscribed: Subscription, buy: Buy) -> None:
    PromoCodeFactory.create(code="GIFT", credit_minor=12_000)
    assert buy("l", promo_code="GIFT", now=HALF).balance_minor == 500


def test_it_is_off_with_proration_0(subscribed: Subscription, ada: Customer, buy: Buy, settings: Settings) -> None:
    settings.PRORATION = False
    give_credit(ada, 15_999)
    with nothing_changes(), pytest.raises(PaymentProcessorNotConfigured):
        buy("l", now=HALF)
    give_credit(ada, 1)
    buy("l", now=HALF)
    assert (balance(), prorations()) == (0, [])


def test_a_renewed_month_is_credited_and_an_unpaid_one_is_not(
    subscribed: Subscription, ada: Customer, buy: Buy
) -> None:
    give_credit(ada, 9_000)
    renew(START + MONTH)
    buy("flexi", now=START + MONTH + timedelta(days=14))
    assert balance() == 4_500
    give_credit(ada, 4_500)
    buy("m", now=START + MONTH * 2)
    assert balance() == 0
    renew(START + MONTH * 3)
    assert newest_subscription().status == "past_due"
    buy("flexi", now=START + MONTH * 3)
    assert balance() == 0


def test_a_refunded_part_of_the_month_is_not_credited_again(subscribed: Subscription, buy: Buy) -> None:
    Invoice.objects.update(amount_minor=6_000)
    buy("flexi", now=HALF)
    assert balance() == 3_000


@pytest.mark.parametrize("key", ["", "change"])
def test_twenty_changes_at_once_credit_one_month_once(
    subscribed: Subscription, ada: Customer, buy: Buy, key: str
) -> None:
    give_credit(ada, 50_000)
    outcomes = race([partial(buy, "l", now=HALF, idempotency_key=key, fingerprint="l" if key else "")] * 20)
    if key:
        assert len({placed.order_id for placed in outcomes.values}) == 1
    else:
        assert outcomes.refusals == {AlreadySubscribed: 19}
    assert (balance(), prorations()) == (50_000 + 4_500 - 16_000, [(f"proration:{subscribed.id}", 4_500)])


def test_a_change_and_a_renewal_at_once_agree(subscribed: Subscription, ada: Customer, buy: Buy) -> None:
    give_credit(ada, 50_000)
    due = START + MONTH
    calls: list[Callable[[], object]] = [
        partial(renew, due, subscribed),
        partial(buy, "l", now=due + timedelta(seconds=1)),
    ]
    race(calls * 3)
    live = Subscription.objects.exclude(status="canceled").get()
    assert live.amount_minor == 16_000
    renewed = Order.objects.filter(kind=Order.Kind.RENEWAL, status="completed").count()
    assert renewed in (0, 1)
    credited = sum(amount for _, amount in prorations())
    # A second of the new month of 28 days is used, if it was renewed first.
    assert credited == (8_999 if renewed else 0)
    assert balance() == 50_000 - 16_000 - 9_000 * renewed + credited
    assert verify_ledger().sound


def test_changes_back_and_forth_never_credit_more_than_was_paid(
    subscribed: Subscription, ada: Customer, buy: Buy
) -> None:
    give_credit(ada, 100_000)
    for number in range(1, 7):
        buy("l" if number % 2 else "m", now=START + timedelta(days=number))
    # Six days, in turn of 9.000 for 31 days and 16.000 for 31 days: at most a baisa is lost for each change.
    used = 3 * 9_000 / 31 + 3 * 16_000 / 31
    paid = 9_000 + 100_000 - balance() - newest_subscription().amount_minor
    assert used <= paid <= used + 6
    assert len(prorations()) == 6


def test_a_deleted_organization_gets_nothing(subscribed: Subscription, acme: Organization) -> None:
    delete_organization(organization_id=acme.id, by=actor())
    assert prorations() == []
    assert acting(acme.customer).user_id == "ada"
