"""verify_ledger adds up all entries again, and names the first row that is wrong."""

from io import StringIO
from uuid import UUID

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from billing.models import Account, Customer, Hold, LedgerEntry
from billing.use_cases.ledger.hold_credit import capture_hold, hold_credit
from billing.use_cases.ledger.post_entry import reverse_entry, spend_credit
from billing.use_cases.ledger.verify_ledger import Verdict, verify_ledger
from tests.factories import CustomerFactory, acting, actor, give_credit
from tests.rules import corrupt
from tests.snapshot import nothing_changes

pytestmark = pytest.mark.django_db(transaction=True)

HELD, CAPTURED, BOUGHT = (UUID(int=number) for number in (1, 2, 3))


@pytest.fixture
def ada() -> Customer:
    """Ada: +10, +20, +30 and -5, its reversal, a captured hold of 8: balance 52, version 6, and 7 held."""
    ada = CustomerFactory.create(user_id="ada")
    for amount_minor in (10, 20, 30):
        give_credit(ada, amount_minor)
    spent = spend_credit(customer_id=ada.pk, amount_minor=5, order_id=BOUGHT, by=acting(ada))
    reverse_entry(entry_id=spent.id, why="twice", by=actor())
    hold_credit(customer_id=ada.pk, amount_minor=7, order_id=HELD)
    hold_credit(customer_id=ada.pk, amount_minor=8, order_id=CAPTURED)
    capture_hold(order_id=CAPTURED, by=acting(ada))
    # A customer before and one after, whose ledgers stay sound.
    give_credit(CustomerFactory.create(user_id="bob"), 1_000)
    return ada


def entry(ada: Customer, version: int) -> LedgerEntry:
    return LedgerEntry.objects.get(account_id=ada.pk, version=version)


def verdict(row: str, wrong: str) -> Verdict:
    return Verdict(accounts=2, entries=7, row=row, wrong=wrong, user_id="ada")


def test_ledger_of_real_history_is_sound(ada: Customer) -> None:
    account = Account.objects.get(customer=ada)
    assert (account.balance_minor, account.held_minor, account.version) == (52, 7, 6)
    with nothing_changes():
        assert verify_ledger() == Verdict(accounts=2, entries=7)
    assert verify_ledger().sound


def test_empty_ledger_is_sound() -> None:
    assert verify_ledger() == Verdict(accounts=0, entries=0)


@pytest.mark.parametrize(("version", "running"), [(1, 11), (3, 61), (6, 53)])
def test_changed_amount_is_named_by_the_first_entry_it_makes_wrong(ada: Customer, version: int, running: int) -> None:
    wrong = entry(ada, version)
    corrupt(f"UPDATE billing_ledgerentry SET amount_minor = amount_minor + 1 WHERE id = '{wrong.id}'")
    assert verify_ledger() == verdict(
        f"ledger entry {wrong.id}", f"balance after {running - 1}, the sum is {running}"
    )


def test_changed_balance_after_is_named(ada: Customer) -> None:
    wrong = entry(ada, 2)
    corrupt(f"UPDATE billing_ledgerentry SET balance_after_minor = 31 WHERE id = '{wrong.id}'")
    assert verify_ledger() == verdict(f"ledger entry {wrong.id}", "balance after 31, the sum is 30")


def test_removed_entry_is_named_by_the_gap_it_leaves(ada: Customer) -> None:
    corrupt(f"DELETE FROM billing_ledgerentry WHERE id = '{entry(ada, 2).id}'")
    found = verify_ledger()
    assert (found.entries, found.row) == (6, f"ledger entry {entry(ada, 3).id}")
    assert (found.wrong, found.user_id) == ("version 3 instead of 2", "ada")


def test_removed_last_entry_is_named_by_its_account(ada: Customer) -> None:
    # The captured hold's own spend is older, so that only the account's figures are wrong.
    give_credit(ada, 4)
    corrupt(f"DELETE FROM billing_ledgerentry WHERE id = '{entry(ada, 7).id}'")
    assert verify_ledger() == verdict(f"account {ada.pk}", "balance 56, its entries sum to 52")


def test_entry_slipped_in_is_named(ada: Customer) -> None:
    corrupt(
        "INSERT INTO billing_ledgerentry (account_id, version, kind, amount_minor, balance_after_minor, reason,"
        f" actor_id, actor_role, channel) VALUES ({ada.pk}, 7, 'grant', 1000, 1052, 'gift', 'x', 'x', 'api')"
    )
    found = verify_ledger()
    assert (found.row, found.wrong) == (f"account {ada.pk}", "balance 52, its entries sum to 1052")


def test_balance_that_went_below_zero_is_named_although_it_adds_up(ada: Customer) -> None:
    eve = CustomerFactory.create(user_id="eve")
    give_credit(eve, 5)
    give_credit(eve, 5)
    first, second = (entry(eve, version) for version in (1, 2))
    corrupt(f"UPDATE billing_ledgerentry SET amount_minor = -1, balance_after_minor = -1 WHERE id = '{first.id}'")
    corrupt(f"UPDATE billing_ledgerentry SET amount_minor = 11 WHERE id = '{second.id}'")
    found = verify_ledger()
    assert (found.row, found.user_id) == (f"ledger entry {first.id}", "eve")
    assert found.wrong == "the balance went below zero: -1"


def test_changed_balance_is_named(ada: Customer) -> None:
    corrupt(f"UPDATE billing_account SET balance_minor = 53 WHERE customer_id = {ada.pk}")
    assert verify_ledger() == verdict(f"account {ada.pk}", "balance 53, its entries sum to 52")


def test_changed_version_is_named(ada: Customer) -> None:
    corrupt(f"UPDATE billing_account SET version = 8 WHERE customer_id = {ada.pk}")
    assert verify_ledger() == verdict(f"account {ada.pk}", "version 8, it has 6 entries")


@pytest.mark.parametrize("held", [0, 8])
def test_changed_held_credit_is_named(ada: Customer, held: int) -> None:
    corrupt(f"UPDATE billing_account SET held_minor = {held} WHERE customer_id = {ada.pk}")
    assert verify_ledger() == verdict(f"account {ada.pk}", f"held {held}, its active holds sum to 7")


def test_removed_hold_is_named_by_its_account(ada: Customer) -> None:
    corrupt(f"DELETE FROM billing_hold WHERE order_id = '{HELD}'")
    assert verify_ledger() == verdict(f"account {ada.pk}", "held 7, its active holds sum to 0")


def test_hold_captured_without_a_spend_is_named(ada: Customer) -> None:
    wrong = Hold.objects.get(order_id=HELD)
    corrupt(f"UPDATE billing_hold SET status = 'captured', closed_at = now() WHERE id = '{wrong.id}'")
    assert verify_ledger() == verdict(f"hold {wrong.id}", "captured, but its order has no spend of the amount")


def test_hold_captured_for_another_amount_than_was_spent_is_named(ada: Customer) -> None:
    wrong = Hold.objects.get(order_id=CAPTURED)
    corrupt(f"UPDATE billing_hold SET amount_minor = 9 WHERE id = '{wrong.id}'")
    assert verify_ledger() == verdict(f"hold {wrong.id}", "captured, but its order has no spend of the amount")


def test_reversal_that_mirrors_nothing_is_named(ada: Customer) -> None:
    spent, reversal = entry(ada, 4), entry(ada, 5)
    corrupt(f"UPDATE billing_ledgerentry SET reverses_id = '{entry(ada, 1).id}' WHERE id = '{reversal.id}'")
    assert spent.amount_minor == -5
    assert verify_ledger() == verdict(f"ledger entry {reversal.id}", "a reversal that does not mirror its entry")


def test_entry_moved_to_another_account_is_named(ada: Customer) -> None:
    bob = Customer.objects.get(user_id="bob")
    moved = entry(ada, 6)
    corrupt(f"UPDATE billing_ledgerentry SET account_id = {bob.pk} WHERE id = '{moved.id}'")
    found = verify_ledger()
    assert (found.row, found.user_id) == (f"ledger entry {moved.id}", "bob")
    assert found.wrong == "version 6 instead of 2"


def test_entries_whose_account_is_gone_are_named(ada: Customer) -> None:
    bob = Customer.objects.get(user_id="bob")
    orphan = entry(bob, 1)
    corrupt(f"DELETE FROM billing_account WHERE customer_id = {bob.pk}")
    found = verify_ledger()
    assert (found.row, found.user_id) == (f"ledger entry {orphan.id}", "bob")


def test_first_wrong_row_is_an_entry_before_a_hold_before_an_account(ada: Customer) -> None:
    wrong = entry(ada, 2)
    corrupt(f"UPDATE billing_account SET version = 8 WHERE customer_id = {ada.pk}")
    assert verify_ledger().row == f"account {ada.pk}"
    corrupt(f"UPDATE billing_hold SET amount_minor = 9 WHERE order_id = '{CAPTURED}'")
    assert verify_ledger().row == f"hold {Hold.objects.get(order_id=CAPTURED).id}"
    corrupt(f"UPDATE billing_ledgerentry SET balance_after_minor = 31 WHERE id = '{wrong.id}'")
    assert verify_ledger().row == f"ledger entry {wrong.id}"


def test_command_says_that_all_is_sound(ada: Customer) -> None:
    out = StringIO()
    call_command("verify_ledger", stdout=out)
    assert out.getvalue() == "sound: 7 entries of 2 accounts add up\n"


def test_command_fails_with_the_first_wrong_row_and_its_owner(ada: Customer) -> None:
    corrupt(f"UPDATE billing_account SET balance_minor = 53 WHERE customer_id = {ada.pk}")
    with pytest.raises(CommandError) as caught:
        call_command("verify_ledger")
    assert str(caught.value) == f"account {ada.pk} of ada: balance 53, its entries sum to 52"
