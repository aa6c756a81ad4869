"""Credit is set aside once for an order, and then captured or released, once."""

from uuid import UUID, uuid4

import pytest

from billing.errors import (
    CustomerNotFound,
    HoldNotActive,
    InsufficientCredit,
    InvalidAmount,
    OrderAlreadySpent,
    OrderHasHold,
)
from billing.models import Customer, Hold, LedgerEntry
from billing.queries import balance_of
from billing.use_cases.ledger.hold_credit import capture_hold, hold_credit, release_hold
from billing.use_cases.ledger.post_entry import spend_credit
from billing.use_cases.ledger.verify_ledger import verify_ledger
from tests.factories import CustomerFactory, acting, give_credit
from tests.snapshot import nothing_changes, only_changes

pytestmark = pytest.mark.django_db(transaction=True)

ORDER = UUID(int=1)


@pytest.fixture
def ada() -> Customer:
    customer = CustomerFactory.create(user_id="ada")
    give_credit(customer, 10_000)
    return customer


def figures() -> tuple[int, int, int]:
    balance = balance_of(user_id="ada")
    return balance.credit_minor, balance.held_minor, balance.available_minor


def test_hold_lowers_the_available_credit_and_not_the_balance(ada: Customer) -> None:
    with only_changes("billing_hold", "billing_account"):
        hold_credit(customer_id=ada.pk, amount_minor=4_000, order_id=ORDER)
    assert figures() == (10_000, 4_000, 6_000)


def test_everything_may_be_held_and_not_more(ada: Customer) -> None:
    hold_credit(customer_id=ada.pk, amount_minor=10_000, order_id=ORDER)
    assert figures() == (10_000, 10_000, 0)
    with nothing_changes(), pytest.raises(InsufficientCredit):
        hold_credit(customer_id=ada.pk, amount_minor=1, order_id=uuid4())


def test_captured_hold_becomes_the_orders_spend_of_exactly_that_amount(ada: Customer) -> None:
    held = hold_credit(customer_id=ada.pk, amount_minor=4_000, order_id=ORDER)
    entry = capture_hold(order_id=ORDER, by=acting(ada))
    assert (entry.kind, entry.amount_minor, entry.order_id) == ("spend", -4_000, ORDER)
    assert figures() == (6_000, 0, 6_000)
    held.refresh_from_db()
    assert (held.status, held.closed_at is not None) == ("captured", True)
    assert verify_ledger().sound


def test_released_hold_is_available_again_and_writes_no_entry(ada: Customer) -> None:
    hold_credit(customer_id=ada.pk, amount_minor=4_000, order_id=ORDER)
    released = release_hold(order_id=ORDER)
    assert released is not None
    assert (released.status, released.amount_minor) == ("released", 4_000)
    assert figures() == (10_000, 0, 10_000)
    assert LedgerEntry.objects.count() == 1


def test_hold_is_captured_once_and_not_after_a_release(ada: Customer) -> None:
    hold_credit(customer_id=ada.pk, amount_minor=4_000, order_id=ORDER)
    capture_hold(order_id=ORDER, by=acting(ada))
    with nothing_changes(), pytest.raises(HoldNotActive):
        capture_hold(order_id=ORDER, by=acting(ada))
    other = uuid4()
    hold_credit(customer_id=ada.pk, amount_minor=1_000, order_id=other)
    release_hold(order_id=other)
    with nothing_changes(), pytest.raises(HoldNotActive):
        capture_hold(order_id=other, by=acting(ada))


def test_order_without_a_hold_has_nothing_to_capture_or_release() -> None:
    with nothing_changes(), pytest.raises(HoldNotActive):
        capture_hold(order_id=ORDER, by=acting(CustomerFactory.build(user_id="ada")))
    with nothing_changes():
        assert release_hold(order_id=ORDER) is None


def test_second_release_and_release_after_capture_change_nothing(ada: Customer) -> None:
    captured = uuid4()
    hold_credit(customer_id=ada.pk, amount_minor=4_000, order_id=ORDER)
    hold_credit(customer_id=ada.pk, amount_minor=1_000, order_id=captured)
    release_hold(order_id=ORDER)
    capture_hold(order_id=captured, by=acting(ada))
    for order_id in (ORDER, captured):
        with nothing_changes():
            assert release_hold(order_id=order_id) is None


def test_order_has_one_hold_at_a_time(ada: Customer) -> None:
    hold_credit(customer_id=ada.pk, amount_minor=4_000, order_id=ORDER)
    with nothing_changes(), pytest.raises(OrderHasHold):
        hold_credit(customer_id=ada.pk, amount_minor=1, order_id=ORDER)


def test_order_may_hold_again_after_a_release_and_not_after_a_capture(ada: Customer) -> None:
    hold_credit(customer_id=ada.pk, amount_minor=4_000, order_id=ORDER)
    release_hold(order_id=ORDER)
    hold_credit(customer_id=ada.pk, amount_minor=5_000, order_id=ORDER)
    assert figures() == (10_000, 5_000, 5_000)
    capture_hold(order_id=ORDER, by=acting(ada))
    with nothing_changes(), pytest.raises(OrderHasHold):
        hold_credit(customer_id=ada.pk, amount_minor=1, order_id=ORDER)
    assert sorted(Hold.objects.values_list("status", "amount_minor")) == [("captured", 5_000), ("released", 4_000)]


def test_captured_order_is_not_spent_for_again(ada: Customer) -> None:
    spend_credit(customer_id=ada.pk, amount_minor=1_000, order_id=ORDER, by=acting(ada))
    hold_credit(customer_id=ada.pk, amount_minor=4_000, order_id=ORDER)
    with nothing_changes(), pytest.raises(OrderAlreadySpent):
        capture_hold(order_id=ORDER, by=acting(ada))


@pytest.mark.parametrize("amount_minor", [0, -1])
def test_hold_takes_positive_amounts(ada: Customer, amount_minor: int) -> None:
    with nothing_changes(), pytest.raises(InvalidAmount):
        hold_credit(customer_id=ada.pk, amount_minor=amount_minor, order_id=ORDER)


def test_hold_for_an_unknown_customer_is_refused() -> None:
    with nothing_changes(), pytest.raises(CustomerNotFound):
        hold_credit(customer_id=-1, amount_minor=1, order_id=ORDER)
