"""Credit that expires is spent soonest first, refused from its expiry on, and given back where it came from."""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.utils import timezone

from billing.errors import InsufficientCredit
from billing.locks import lock_account
from billing.models import Account, Customer, LedgerEntry, Lot
from billing.queries import NextExpiry, balance_of
from billing.use_cases.ledger.expire_credit import expire_credit
from billing.use_cases.ledger.hold_credit import capture_hold, hold_credit, release_hold
from billing.use_cases.ledger.post_entry import grant_credit, reverse_entry, spend_credit, transfer_credit
from billing.use_cases.ledger.verify_ledger import verify_ledger
from tests.factories import CustomerFactory, actor, give_credit, give_expired_credit

pytestmark = pytest.mark.django_db

NOW = timezone.now()
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture
def ada() -> Customer:
    return CustomerFactory.create(user_id="ada")


def grant(
    customer: Customer, amount_minor: int, expires_in: timedelta | None, credit_class: str = "promotional"
) -> LedgerEntry:
    return grant_credit(
        customer_id=customer.pk,
        amount_minor=amount_minor,
        reason="gift",
        credit_class=credit_class,
        expires_at=None if expires_in is None else timezone.now() + expires_in,
        by=actor(),
    )


def spend(customer: Customer, amount_minor: int) -> LedgerEntry:
    return spend_credit(customer_id=customer.pk, amount_minor=amount_minor, order_id=uuid4(), by=actor())


def left(customer: Customer) -> list[int]:
    return list(Lot.objects.filter(account=customer.pk).order_by("version").values_list("left_minor", flat=True))


def balance(customer: Customer) -> tuple[int, int]:
    return Account.objects.values_list("balance_minor", "held_minor").get(pk=customer.pk)


def test_an_account_without_expiring_credit_has_no_lots(ada: Customer) -> None:
    grant(ada, 10, None)
    spend(ada, 4)
    assert Lot.objects.count() == 0
    assert Account.objects.values_list("lots_since", "next_expiry").get(pk=ada.pk) == (None, None)


def test_the_first_expiring_grant_opens_the_lots_of_earlier_credit(ada: Customer) -> None:
    for amount in (10, 20, 30):
        grant(ada, amount, None)
    spend(ada, 15)
    hold_credit(customer_id=ada.pk, amount_minor=20, order_id=uuid4())
    grant(ada, 7, DAY)
    lots = Lot.objects.filter(account=ada.pk).order_by("version")
    assert [(lot.amount_minor, lot.left_minor, lot.held_minor) for lot in lots] == [
        (15, 15, 15),
        (30, 30, 5),
        (7, 7, 0),
    ]
    assert verify_ledger().sound


def test_the_soonest_expiry_is_spent_first_then_the_oldest(ada: Customer) -> None:
    for amount, life in ((10, None), (10, 9 * DAY), (10, DAY), (10, None)):
        grant(ada, amount, life)
    spend(ada, 15)
    assert left(ada) == [10, 5, 0, 10]
    spend(ada, 10)
    assert left(ada) == [5, 0, 0, 10]
    assert verify_ledger().sound


def test_expired_credit_is_refused_without_a_job_and_posted_by_the_next_touch(ada: Customer) -> None:
    grant(ada, 10, None)
    expired = grant(ada, 5, -HOUR)
    with pytest.raises(InsufficientCredit):
        spend(ada, 11)
    with pytest.raises(InsufficientCredit):
        hold_credit(customer_id=ada.pk, amount_minor=11, order_id=uuid4())
    assert balance(ada) == (15, 0)
    spend(ada, 10)
    assert balance(ada) == (0, 0)
    expiry = LedgerEntry.objects.get(kind="expiry")
    assert (expiry.lot_id, expiry.amount_minor, expiry.version) == (expired.pk, -5, 3)
    assert verify_ledger().sound


def test_a_lock_posts_what_has_expired(ada: Customer) -> None:
    grant(ada, 10, -HOUR)
    assert lock_account(customer_id=ada.pk).available_minor == 0


def test_held_credit_does_not_expire_and_its_capture_spends_it(ada: Customer) -> None:
    order = uuid4()
    start = NOW - 2 * HOUR
    grant_credit(customer_id=ada.pk, amount_minor=10, reason="gift", expires_at=NOW - HOUR, by=actor(), now=start)
    hold_credit(customer_id=ada.pk, amount_minor=6, order_id=order, now=start)
    assert lock_account(customer_id=ada.pk).balance_minor == 6
    capture_hold(order_id=order, by=actor())
    assert balance(ada) == (0, 0)
    assert verify_ledger().sound
    assert list(LedgerEntry.objects.order_by("version").values_list("kind", "amount_minor")) == [
        ("grant", 10),
        ("expiry", -4),
        ("spend", -6),
    ]


def test_credit_of_a_released_hold_expires_if_its_time_has_passed(ada: Customer) -> None:
    order = uuid4()
    start = NOW - 2 * HOUR
    grant_credit(customer_id=ada.pk, amount_minor=10, reason="gift", expires_at=NOW - HOUR, by=actor(), now=start)
    hold_credit(customer_id=ada.pk, amount_minor=10, order_id=order, now=start)
    release_hold(order_id=order)
    assert lock_account(customer_id=ada.pk).balance_minor == 0
    assert verify_ledger().sound


def test_a_reversal_gives_back_to_its_lots_and_an_expired_one_gets_a_grace(ada: Customer) -> None:
    start = NOW - 2 * DAY
    grant_credit(customer_id=ada.pk, amount_minor=10, reason="gift", expires_at=NOW - DAY, by=actor(), now=start)
    grant_credit(customer_id=ada.pk, amount_minor=10, reason="gift", by=actor(), now=start)
    spent = spend_credit(customer_id=ada.pk, amount_minor=12, order_id=uuid4(), by=actor(), now=start)
    assert left(ada) == [0, 8]
    reversal = reverse_entry(entry_id=spent.pk, why="refund", by=actor())
    assert left(ada) == [10, 10]
    first = Lot.objects.order_by("version")[0]
    reversal.refresh_from_db()
    assert first.expires_at == reversal.created_at + 30 * DAY
    assert Account.objects.get(pk=ada.pk).next_expiry == first.expires_at
    assert verify_ledger().sound


def test_a_grant_that_has_expired_is_reversed_without_touching_other_credit(ada: Customer) -> None:
    give_credit(ada, 50)
    expired = grant(ada, 10, -HOUR)
    reverse_entry(entry_id=expired.pk, why="given by mistake", by=actor())
    assert balance(ada) == (50, 0)
    assert left(ada) == [50, 0]
    assert verify_ledger().sound


def test_a_balance_does_not_count_expired_credit(ada: Customer) -> None:
    give_credit(ada, 50)
    give_expired_credit(ada, 10)
    assert (balance_of(user_id="ada").credit_minor, balance_of(user_id="ada").available_minor) == (50, 50)
    assert balance(ada) == (60, 0)


def test_a_balance_tells_what_is_left_by_expiry_and_class(ada: Customer) -> None:
    start = NOW - 2 * DAY
    grant_credit(customer_id=ada.pk, amount_minor=10, reason="gift", expires_at=NOW - HOUR, by=actor(), now=start)
    hold_credit(customer_id=ada.pk, amount_minor=4, order_id=uuid4(), now=start)
    give_credit(ada, 50)
    for amount, credit_class, expiry in (
        (5, "sold", NOW + DAY),
        (7, "sold", NOW + DAY),
        (3, "promotional", NOW + DAY),
    ):
        grant_credit(
            customer_id=ada.pk,
            amount_minor=amount,
            reason="gift",
            credit_class=credit_class,
            expires_at=expiry,
            by=actor(),
        )
    grant(ada, 1, 2 * DAY)
    found = balance_of(user_id="ada", with_lots=True)
    assert [(lot.amount_minor, lot.expires_at, lot.credit_class) for lot in found.lots[:4]] == [
        (4, NOW - HOUR, "promotional"),
        (3, NOW + DAY, "promotional"),
        (12, NOW + DAY, "sold"),
        (1, found.lots[3].expires_at, "promotional"),
    ]
    assert [(lot.amount_minor, lot.expires_at) for lot in found.lots[4:]] == [(50, None)]
    assert sum(lot.amount_minor for lot in found.lots) == found.credit_minor == 70
    assert found.next_expiry == NextExpiry(amount_minor=15, expires_at=NOW + DAY)


def test_the_job_posts_each_expiry_once(ada: Customer) -> None:
    give_expired_credit(ada, 10)
    give_expired_credit(CustomerFactory.create(), 20)
    grant(CustomerFactory.create(), 30, DAY)
    assert [expire_credit(), expire_credit()] == [2, 0]
    assert list(LedgerEntry.objects.filter(kind="expiry").values_list("amount_minor", flat=True)) == [-10, -20]
    assert balance(ada) == (0, 0)


def test_a_transfer_keeps_class_and_expiry(ada: Customer) -> None:
    bob = CustomerFactory.create(user_id="bob")
    give_credit(ada, 50)
    sold = grant(ada, 10, DAY, "sold")
    transfer_credit(from_id=ada.pk, to_id=bob.pk, amount_minor=60, why="one person", by=actor())
    lots = Lot.objects.filter(account=bob.pk).order_by("version")
    assert [(lot.left_minor, lot.credit_class, lot.expires_at) for lot in lots] == [
        (10, "sold", sold.expires_at),
        (50, "promotional", None),
    ]
    assert left(ada) == [0, 0]
    assert verify_ledger().sound
