"""Credit for many customers at once: one entry each, once for a name, all of them or none."""

from functools import partial
from uuid import UUID

import pytest
from django.db import InternalError, connection, transaction
from django.test.utils import CaptureQueriesContext

from billing.errors import DomainError, InvalidAmount, InvalidBatch, ReasonRequired
from billing.models import Account, Customer, LedgerEntry
from billing.money import MAX_MINOR
from billing.queries import balance_of
from billing.use_cases.ledger.grant_many import MAX_BATCH, Granted, grant_many
from billing.use_cases.ledger.hold_credit import hold_credit
from billing.use_cases.ledger.post_entry import reverse_entry
from billing.use_cases.ledger.verify_ledger import verify_ledger
from tests.concurrency.schema_changes import function_definition
from tests.concurrency.threads import ThreadGroup
from tests.factories import ADDRESS, CustomerFactory, actor, give_credit
from tests.faults.run_scenario import replaced_functions
from tests.snapshot import nothing_changes, only_changes

pytestmark = pytest.mark.django_db(transaction=True)

STAFF = actor(user_id="sara")


def give(*user_ids: str, amount_minor: int = 500, name: str = "outage-2026") -> list[Granted]:
    return grant_many(user_ids=user_ids, amount_minor=amount_minor, name=name, why="the outage of May", by=STAFF)


def given(granted: list[Granted]) -> list[str]:
    return [each.user_id for each in granted if each.entry_id is not None]


def balances(*user_ids: str) -> list[int]:
    return [balance_of(user_id=user).credit_minor for user in user_ids]


def test_each_has_one_entry_that_names_everything() -> None:
    ada, bob = CustomerFactory.create(user_id="ada"), CustomerFactory.create(user_id="bob")
    give_credit(bob, 200)
    with only_changes("billing_account", "billing_ledgerentry"):
        granted = give("bob", "ada")
    assert [each.user_id for each in granted] == ["bob", "ada"]
    assert balances("ada", "bob") == [500, 700]
    for customer, version, balance in ((ada, 1, 500), (bob, 2, 700)):
        entry = LedgerEntry.objects.get(account_id=customer.pk, kind="grant")
        assert entry.id == {each.user_id: each.entry_id for each in granted}[customer.user_id]
        assert (entry.version, entry.amount_minor, entry.balance_after_minor) == (version, 500, balance)
        assert (entry.reason, entry.note) == ("grant:outage-2026", "the outage of May")
        assert (entry.actor_id, entry.actor_role, entry.channel) == ("sara", "superadmin", "api")
        assert (entry.address, entry.order_id, entry.redemption_id) == (ADDRESS, None, None)
    assert verify_ledger().sound


def test_users_whose_first_act_this_is_become_customers_with_an_account() -> None:
    CustomerFactory.create(user_id="ada")
    without_account = Customer.objects.create(user_id="bob")
    assert given(give("new-2", "ada", "new-1", "bob")) == ["new-2", "ada", "new-1", "bob"]
    assert balances("new-1", "new-2", "ada", "bob") == [500] * 4
    assert set(Customer.objects.values_list("user_id", flat=True)) == {"ada", "bob", "new-1", "new-2"}
    assert Account.objects.get(customer=without_account).currency == "OMR"
    assert verify_ledger().accounts == 4


def test_user_listed_twice_gets_one_grant() -> None:
    assert given(give("ada", "bob", "ada", "ada")) == ["ada", "bob"]
    assert balances("ada", "bob") == [500, 500]


def test_a_repeated_call_grants_only_to_new_users() -> None:
    give("ada", "bob")
    with nothing_changes():
        assert given(give("ada", "bob")) == []
    assert [(each.user_id, each.entry_id is None) for each in give("ada", "carol", "bob")] == [
        ("ada", True),
        ("carol", False),
        ("bob", True),
    ]
    assert balances("ada", "bob", "carol") == [500, 500, 500]


def test_another_name_is_another_grant() -> None:
    give("ada")
    give("ada", amount_minor=7, name="outage-2027")
    assert balances("ada") == [507]


def test_grant_that_was_undone_is_not_given_again_under_its_name() -> None:
    [granted] = give("ada")
    assert granted.entry_id is not None
    reverse_entry(entry_id=granted.entry_id, why="a mistake", by=STAFF)
    with nothing_changes():
        assert given(give("ada")) == []
    assert balances("ada") == [0]


def test_held_credit_stays_held() -> None:
    ada = CustomerFactory.create(user_id="ada")
    give_credit(ada, 100)
    hold_credit(customer_id=ada.pk, amount_minor=60, order_id=UUID(int=1))
    give("ada")
    account = Account.objects.get(customer=ada)
    assert (account.balance_minor, account.held_minor, account.version) == (600, 60, 2)


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        ({"amount_minor": 0}, InvalidAmount),
        ({"amount_minor": -1}, InvalidAmount),
        ({"amount_minor": MAX_MINOR + 1}, InvalidAmount),
        ({"why": " \t"}, ReasonRequired),
        ({"name": ""}, InvalidBatch),
        ({"name": "Gift"}, InvalidBatch),
        ({"name": "a" * 81}, InvalidBatch),
        ({"name": "gift\n"}, InvalidBatch),
        ({"user_ids": ["ada", ""]}, InvalidBatch),
        ({"user_ids": ["a" * 256]}, InvalidBatch),
        ({"user_ids": ["a\0"]}, InvalidBatch),
        ({"user_ids": [str(number) for number in range(MAX_BATCH + 1)]}, InvalidBatch),
    ],
)
def test_a_refused_call_changes_nothing(changes: dict[str, object], refusal: type[DomainError]) -> None:
    asked = {"user_ids": ["ada"], "amount_minor": 1, "name": "gift", "why": "x", "by": STAFF, **changes}
    with nothing_changes(), pytest.raises(refusal):
        grant_many(**asked)  # type: ignore[arg-type]


def test_a_failure_for_one_user_grants_nothing_to_all() -> None:
    CustomerFactory.create(user_id="ada")
    rich = CustomerFactory.create(user_id="rich")
    for _ in range(2):
        give_credit(rich, MAX_MINOR)
    true_definition = function_definition("billing_post_entry")
    fails = true_definition.replace(
        "  RETURN NEW;", "  IF NEW.version = 3 THEN RAISE SQLSTATE 'XX000'; END IF;\n  RETURN NEW;"
    )
    assert fails != true_definition
    with replaced_functions({"billing_post_entry": fails}), nothing_changes(), pytest.raises(InternalError):
        give("ada", "rich", "new")


def test_inside_another_transaction_it_comes_and_goes_with_it() -> None:
    with nothing_changes(), transaction.atomic():
        assert given(give("ada")) == ["ada"]
        transaction.set_rollback(True)


def test_number_of_statements_is_the_same_for_one_and_for_a_thousand() -> None:
    for number in (1, 1_000):
        with CaptureQueriesContext(connection) as queries:
            give(*(f"{number}-{each}" for each in range(number)))
        assert len([each for each in queries if "billing_grant_amounts" in each["sql"]]) == 1
        assert len(queries) <= 3
    assert LedgerEntry.objects.count() == 1_001
    assert verify_ledger().sound


def test_batches_that_overlap_in_opposite_orders_give_each_user_one_grant() -> None:
    users = [f"user-{number}" for number in range(40)]
    for user in users[::3]:
        CustomerFactory.create(user_id=user)
    orders = (users, users[::-1], users[20:] + users[:20], users[::2])
    with ThreadGroup(len(orders)) as threads:
        for turn in range(5):
            outcome = threads.race([partial(give, *order, name=f"turn-{turn}") for order in orders])
            granted_users = [user for granted in outcome.values for user in given(granted)]
            assert sorted(granted_users) == sorted(users)
    assert set(balances(*users)) == {5 * 500}
    assert LedgerEntry.objects.filter(kind="grant").count() == 5 * len(users)
    assert verify_ledger().sound
