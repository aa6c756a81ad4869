"""Grant, spend, reverse, adjust: each is one entry, moves the account, or changes nothing."""

from uuid import UUID, uuid4

import pytest

from billing.actor import CUSTOMER, Actor
from billing.errors import (
    CustomerNotFound,
    DomainError,
    EntryAlreadyReversed,
    EntryNotFound,
    InsufficientCredit,
    InvalidAmount,
    OrderAlreadySpent,
    ReasonRequired,
)
from billing.models import Account, Customer, LedgerEntry
from billing.money import MAX_MINOR
from billing.queries import balance_of
from billing.use_cases.ledger.hold_credit import hold_credit
from billing.use_cases.ledger.post_entry import adjust_credit, grant_credit, reverse_entry, spend_credit
from billing.use_cases.ledger.verify_ledger import verify_ledger
from tests.factories import ADDRESS, CustomerFactory, acting, actor, give_credit
from tests.snapshot import nothing_changes, only_changes

pytestmark = pytest.mark.django_db(transaction=True)

ORDER = UUID(int=1)
STAFF = actor()


@pytest.fixture
def ada() -> Customer:
    return CustomerFactory.create(user_id="ada")


def figures(customer: Customer) -> tuple[int, int, int]:
    account = Account.objects.get(customer=customer)
    return account.balance_minor, account.held_minor, account.version


def test_grant_raises_the_balance_by_one_entry_that_names_everything(ada: Customer) -> None:
    redemption = uuid4()
    with only_changes("billing_account", "billing_ledgerentry"):
        entry = grant_credit(
            customer_id=ada.pk,
            amount_minor=50_000,
            reason="promo:WELCOME50",
            order_id=ORDER,
            redemption_id=redemption,
            by=acting(ada),
        )
    stored = LedgerEntry.objects.get(pk=entry.pk)
    assert (stored.kind, stored.amount_minor, stored.reason) == ("grant", 50_000, "promo:WELCOME50")
    assert (stored.version, stored.balance_after_minor) == (1, 50_000)
    assert (stored.order_id, stored.redemption_id, stored.reverses_id) == (ORDER, redemption, None)
    assert (stored.actor_id, stored.actor_role) == ("ada", CUSTOMER)
    assert (stored.channel, stored.address) == ("api", ADDRESS)
    assert figures(ada) == (50_000, 0, 1)


def test_spend_lowers_the_balance_and_names_its_order(ada: Customer) -> None:
    give_credit(ada, 50_000)
    entry = spend_credit(customer_id=ada.pk, amount_minor=9_000, order_id=ORDER, by=acting(ada))
    stored = LedgerEntry.objects.get(pk=entry.pk)
    assert (stored.kind, stored.amount_minor, stored.reason) == ("spend", -9_000, "order-payment")
    assert (stored.version, stored.balance_after_minor, stored.order_id) == (2, 41_000, ORDER)
    assert figures(ada) == (41_000, 0, 2)


def test_spend_of_everything_leaves_zero(ada: Customer) -> None:
    give_credit(ada, 9_000)
    spend_credit(customer_id=ada.pk, amount_minor=9_000, order_id=ORDER, by=acting(ada))
    assert figures(ada) == (0, 0, 2)


def test_spend_beyond_the_balance_is_refused(ada: Customer) -> None:
    give_credit(ada, 8_999)
    with nothing_changes(), pytest.raises(InsufficientCredit):
        spend_credit(customer_id=ada.pk, amount_minor=9_000, order_id=ORDER, by=acting(ada))


def test_spend_of_credit_held_for_another_order_is_refused(ada: Customer) -> None:
    give_credit(ada, 9_000)
    hold_credit(customer_id=ada.pk, amount_minor=1, order_id=uuid4())
    with nothing_changes(), pytest.raises(InsufficientCredit):
        spend_credit(customer_id=ada.pk, amount_minor=9_000, order_id=ORDER, by=acting(ada))


def test_order_is_spent_for_once(ada: Customer) -> None:
    give_credit(ada, 50_000)
    spend_credit(customer_id=ada.pk, amount_minor=9_000, order_id=ORDER, by=acting(ada))
    with nothing_changes(), pytest.raises(OrderAlreadySpent):
        spend_credit(customer_id=ada.pk, amount_minor=9_000, order_id=ORDER, by=acting(ada))


def test_reversal_mirrors_its_entry_and_leaves_it_as_it_was(ada: Customer) -> None:
    give_credit(ada, 50_000)
    spent = spend_credit(customer_id=ada.pk, amount_minor=9_000, order_id=ORDER, by=acting(ada))
    before = LedgerEntry.objects.filter(pk=spent.pk).values().get()
    reversal = LedgerEntry.objects.get(pk=reverse_entry(entry_id=spent.id, why="double order", by=STAFF).pk)
    assert (reversal.kind, reversal.amount_minor, reversal.reverses_id) == ("reversal", 9_000, spent.id)
    assert (reversal.reason, reversal.note) == ("reversal:order-payment", "double order")
    assert (reversal.order_id, reversal.actor_id, reversal.balance_after_minor) == (ORDER, "superadmin", 50_000)
    assert LedgerEntry.objects.filter(pk=spent.pk).values().get() == before
    assert figures(ada) == (50_000, 0, 3)


def test_order_whose_spend_was_reversed_is_not_spent_for_again(ada: Customer) -> None:
    give_credit(ada, 50_000)
    spent = spend_credit(customer_id=ada.pk, amount_minor=9_000, order_id=ORDER, by=acting(ada))
    reverse_entry(entry_id=spent.id, why="double order", by=STAFF)
    with nothing_changes(), pytest.raises(OrderAlreadySpent):
        spend_credit(customer_id=ada.pk, amount_minor=9_000, order_id=ORDER, by=acting(ada))


def test_entry_is_reversed_once(ada: Customer) -> None:
    give_credit(ada, 50_000)
    spent = spend_credit(customer_id=ada.pk, amount_minor=9_000, order_id=ORDER, by=acting(ada))
    reverse_entry(entry_id=spent.id, why="double order", by=STAFF)
    with nothing_changes(), pytest.raises(EntryAlreadyReversed):
        reverse_entry(entry_id=spent.id, why="double order", by=STAFF)


def test_second_reversal_of_a_grant_is_refused_as_such_even_if_the_credit_is_spent(ada: Customer) -> None:
    granted = grant_credit(customer_id=ada.pk, amount_minor=50_000, reason="gift", by=STAFF)
    reverse_entry(entry_id=granted.id, why="by mistake", by=STAFF)
    assert figures(ada) == (0, 0, 2)
    with nothing_changes(), pytest.raises(EntryAlreadyReversed):
        reverse_entry(entry_id=granted.id, why="by mistake", by=STAFF)


def test_second_spend_of_an_order_is_refused_as_such_even_if_the_credit_is_spent(ada: Customer) -> None:
    give_credit(ada, 9_000)
    spend_credit(customer_id=ada.pk, amount_minor=9_000, order_id=ORDER, by=acting(ada))
    with nothing_changes(), pytest.raises(OrderAlreadySpent):
        spend_credit(customer_id=ada.pk, amount_minor=9_000, order_id=ORDER, by=acting(ada))


def test_reversal_of_a_grant_that_was_spent_is_refused(ada: Customer) -> None:
    granted = grant_credit(customer_id=ada.pk, amount_minor=50_000, reason="gift", by=STAFF)
    spend_credit(customer_id=ada.pk, amount_minor=1, order_id=ORDER, by=acting(ada))
    with nothing_changes(), pytest.raises(InsufficientCredit):
        reverse_entry(entry_id=granted.id, why="by mistake", by=STAFF)


def test_reversal_is_not_reversed_and_an_unknown_entry_is_not_found(ada: Customer) -> None:
    granted = grant_credit(customer_id=ada.pk, amount_minor=50_000, reason="gift", by=STAFF)
    reversal = reverse_entry(entry_id=granted.id, why="by mistake", by=STAFF)
    for entry_id in (reversal.id, uuid4()):
        with nothing_changes(), pytest.raises(EntryNotFound):
            reverse_entry(entry_id=entry_id, why="by mistake", by=STAFF)


@pytest.mark.parametrize("why", ["", "   ", "\n\t"])
def test_correction_without_a_reason_is_refused(ada: Customer, why: str) -> None:
    granted = grant_credit(customer_id=ada.pk, amount_minor=50_000, reason="gift", by=STAFF)
    with nothing_changes(), pytest.raises(ReasonRequired):
        reverse_entry(entry_id=granted.id, why=why, by=STAFF)
    with nothing_changes(), pytest.raises(ReasonRequired):
        adjust_credit(customer_id=ada.pk, amount_minor=1, why=why, by=STAFF)


def test_adjustment_goes_both_ways_and_says_why(ada: Customer) -> None:
    adjust_credit(customer_id=ada.pk, amount_minor=7_000, why="goodwill", by=STAFF)
    entry = LedgerEntry.objects.get(
        pk=adjust_credit(customer_id=ada.pk, amount_minor=-2_500, why="too much", by=STAFF).pk
    )
    assert (entry.kind, entry.amount_minor, entry.reason, entry.note) == (
        "adjustment",
        -2_500,
        "adjustment",
        "too much",
    )
    assert figures(ada) == (4_500, 0, 2)


def test_adjustment_below_zero_is_refused(ada: Customer) -> None:
    give_credit(ada, 100)
    with nothing_changes(), pytest.raises(InsufficientCredit):
        adjust_credit(customer_id=ada.pk, amount_minor=-101, why="too much", by=STAFF)


@pytest.mark.parametrize("amount_minor", [0, -1, MAX_MINOR + 1])
def test_grant_and_spend_take_positive_amounts_within_the_limit(ada: Customer, amount_minor: int) -> None:
    with nothing_changes(), pytest.raises(InvalidAmount):
        grant_credit(customer_id=ada.pk, amount_minor=amount_minor, reason="gift", by=STAFF)
    with nothing_changes(), pytest.raises(InvalidAmount):
        spend_credit(customer_id=ada.pk, amount_minor=amount_minor, order_id=ORDER, by=STAFF)


@pytest.mark.parametrize("amount_minor", [0, MAX_MINOR + 1, -MAX_MINOR - 1])
def test_adjustment_of_nothing_or_beyond_the_limit_is_refused(ada: Customer, amount_minor: int) -> None:
    with nothing_changes(), pytest.raises(InvalidAmount):
        adjust_credit(customer_id=ada.pk, amount_minor=amount_minor, why="goodwill", by=STAFF)


def test_entry_of_an_unknown_customer_is_refused() -> None:
    with nothing_changes(), pytest.raises(CustomerNotFound):
        grant_credit(customer_id=-1, amount_minor=1, reason="gift", by=STAFF)
    with nothing_changes(), pytest.raises(CustomerNotFound):
        spend_credit(customer_id=-1, amount_minor=1, order_id=ORDER, by=STAFF)
    with nothing_changes(), pytest.raises(CustomerNotFound):
        adjust_credit(customer_id=-1, amount_minor=1, why="goodwill", by=STAFF)


def test_versions_have_no_gap_and_refusals_use_none(ada: Customer) -> None:
    for number in range(1, 6):
        give_credit(ada, number)
        with pytest.raises(DomainError):
            spend_credit(customer_id=ada.pk, amount_minor=1_000, order_id=uuid4(), by=acting(ada))
    assert list(
        LedgerEntry.objects.order_by("version").values_list("version", "amount_minor", "balance_after_minor")
    ) == [(1, 1, 1), (2, 2, 3), (3, 3, 6), (4, 4, 10), (5, 5, 15)]


def test_figures_given_with_an_entry_are_overruled_by_the_database(ada: Customer) -> None:
    entry = LedgerEntry(
        account_id=ada.pk,
        kind="grant",
        amount_minor=10,
        reason="gift",
        version=77,
        balance_after_minor=10**9,
        actor_id="root",
        actor_role="superadmin",
        channel="command",
    )
    entry.save(force_insert=True)
    entry.refresh_from_db()
    assert (entry.version, entry.balance_after_minor) == (1, 10)


def test_customers_do_not_share_a_balance(ada: Customer) -> None:
    bob = CustomerFactory.create(user_id="bob")
    give_credit(ada, 5)
    give_credit(bob, 7)
    assert (balance_of(user_id="ada").credit_minor, balance_of(user_id="bob").credit_minor) == (5, 7)
    assert verify_ledger().sound


def test_entry_names_the_way_in_of_its_actor(ada: Customer) -> None:
    by = Actor(user_id="batch", role="system", channel="command")
    entry = LedgerEntry.objects.get(pk=grant_credit(customer_id=ada.pk, amount_minor=1, reason="gift", by=by).pk)
    assert (entry.actor_id, entry.actor_role, entry.channel, entry.address) == (
        "batch",
        "system",
        "command",
        None,
    )
