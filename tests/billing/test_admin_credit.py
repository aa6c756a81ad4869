"""A superadmin corrects credit in the console: adjusts a balance or reverses an entry, always with a reason."""

from http import HTTPStatus
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.contrib import admin
from django.urls import reverse

from billing.actor import SUPERADMIN
from billing.models import Account, Customer, Hold, LedgerEntry, User
from billing.use_cases.ledger.hold_credit import hold_credit
from billing.use_cases.ledger.post_entry import spend_credit
from billing.use_cases.ledger.verify_ledger import verify_ledger
from promos.use_cases.redeem_code import redeem
from promos.use_cases.verify_redemptions import verify_redemptions
from tests.console import ADDRESS, Browser, client_of, create_user, form_errors, shown_messages
from tests.factories import CustomerFactory, PromoCodeFactory, acting, actor, give_credit
from tests.snapshot import nothing_changes, only_changes

pytestmark = pytest.mark.django_db

CHANGED = "This was changed after you opened the page, so nothing was done: open the page again to see the change."
WHY = "double booking of 3 March"
NO_ORDER = UUID(int=1)


@pytest.fixture
def sara(db: None) -> User:
    return create_user(SUPERADMIN)


@pytest.fixture
def client(sara: User) -> Browser:
    return client_of(sara)


@pytest.fixture
def ada(db: None) -> Customer:
    """A customer with a credit of 50.000 OMR, of which 20.000 are held."""
    customer = CustomerFactory.create(user_id="ada")
    give_credit(customer, 50_000)
    hold_credit(customer_id=customer.pk, amount_minor=20_000, order_id=NO_ORDER)
    return customer


def adjusting(customer: Customer) -> str:
    return reverse("admin:billing_customer_adjust", args=[customer.pk])


def reversing(entry: LedgerEntry) -> str:
    return reverse("admin:billing_ledgerentry_reverse", args=[entry.pk])


def account_of(customer: Customer) -> Account:
    return Account.objects.get(pk=customer.pk)


def confirmed(**sent: str) -> dict[str, str]:
    return {"reason": WHY, "confirmed": "yes", **sent}


def newest(customer: Customer) -> dict[str, Any]:
    fields = ("kind", "amount_minor", "balance_after_minor", "note", "actor_id", "actor_role", "channel", "address")
    return dict(LedgerEntry.objects.filter(account_id=customer.pk).values(*fields).latest("version"))


def by(user: User, kind: str, amount_minor: int, balance_minor: int) -> dict[str, Any]:
    """Returns the ledger entry that this superadmin's correction must leave."""
    return {
        "kind": kind,
        "amount_minor": amount_minor,
        "balance_after_minor": balance_minor,
        "note": WHY,
        "actor_id": user.sub,
        "actor_role": SUPERADMIN,
        "channel": "admin",
        "address": ADDRESS,
    }


# --- Adjust -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("amount", "minor"), [("5.250", 5_250), ("+1", 1_000), ("-30", -30_000)])
def test_an_adjustment_shows_the_new_balance_first(
    client: Browser, sara: User, ada: Customer, amount: str, minor: int
) -> None:
    page = client.get(adjusting(ada))
    token = page.context["token"]
    with nothing_changes():
        asked = client.submit(adjusting(ada), {"amount": amount, "reason": WHY, "form_token": token})
    facts = {fact.title: fact.value for fact in asked.context["facts"]}
    then = f"{(50_000 + minor) / 1000:.3f} OMR"
    assert then in facts["Credit afterwards"]
    assert 'name="confirmed"' in asked.content.decode()
    with only_changes("billing_ledgerentry", "billing_account", "billing_auditentry"):
        done = client.submit(adjusting(ada), confirmed(amount=amount, form_token=token))
    assert done.headers["Location"] == reverse("admin:billing_customer_change", args=[ada.pk])
    assert newest(ada) == by(sara, "adjustment", minor, 50_000 + minor)
    assert verify_ledger().sound


def test_a_second_click_adjusts_nothing_more(client: Browser, ada: Customer) -> None:
    token = client.token_of(adjusting(ada))
    client.submit(adjusting(ada), confirmed(amount="5", form_token=token))
    with nothing_changes():
        again = client.submit(adjusting(ada), confirmed(amount="5", form_token=token))
    said = f"This was done already, and was not done again: The credit of {ada} is adjusted by 5.000 OMR."
    assert said in shown_messages(again)
    assert account_of(ada).balance_minor == 55_000


def test_credit_that_changed_since_the_page_was_shown_is_not_adjusted(client: Browser, ada: Customer) -> None:
    token = client.token_of(adjusting(ada))
    give_credit(ada, 1_000)
    with nothing_changes():
        answer = client.submit(adjusting(ada), confirmed(amount="5", form_token=token))
    assert form_errors(answer) == {"__all__": [CHANGED]}


BAD_ADJUSTMENTS = [
    ("amount", "", "This field is required."),
    ("amount", "0", "An adjustment of zero changes nothing."),
    ("amount", "-0.000", "An adjustment of zero changes nothing."),
    ("amount", "1.2345", "OMR has at most 3 decimals"),
    ("amount", "NaN", "Write the amount in figures, with a point for decimals: 5.25"),
    ("amount", "--5", "Write the amount in figures, with a point for decimals: 5.25"),
    ("amount", "\N{ARABIC-INDIC DIGIT FIVE}", "Write the amount in figures, with a point for decimals: 5.25"),
    ("amount", "5\0", "Write the amount in figures, with a point for decimals: 5.25"),
    ("amount", "9" * 20, "An amount may not exceed 1000000000000 of the currency's smallest unit"),
    ("amount", "-30.001", "The available credit does not cover this amount."),
    ("reason", " ", "This field is required."),
    ("reason", "a\0b", "Null characters are not allowed."),
]


@pytest.mark.parametrize(("field", "value", "sentence"), BAD_ADJUSTMENTS)
def test_a_bad_adjustment_changes_nothing(
    client: Browser, ada: Customer, field: str, value: str, sentence: str
) -> None:
    with nothing_changes():
        answer = client.submit(adjusting(ada), confirmed(amount="5") | {field: value})
    assert form_errors(answer) == {field: [sentence]}


def test_credit_that_was_held_since_the_page_was_shown_is_not_taken(
    client: Browser, ada: Customer, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The page checks before the lock; the database checks after it and refuses.
    monkeypatch.setattr(Account, "available_minor", 10**9)
    with nothing_changes():
        answer = client.submit(adjusting(ada), confirmed(amount="-30.001"))
    assert form_errors(answer) == {"amount": ["The available credit does not cover this amount."]}


@pytest.mark.parametrize("number", [0, 10**8, 10**30])
def test_an_unknown_customer_is_not_found(client: Browser, number: int) -> None:
    for name in ("adjust", "change"):
        address = reverse(f"admin:billing_customer_{name}", args=[number])
        assert client.get(address).status_code == HTTPStatus.NOT_FOUND


# --- Reverse ----------------------------------------------------------------------------------------------------


@pytest.fixture
def granted(ada: Customer) -> LedgerEntry:
    return LedgerEntry.objects.get(account_id=ada.pk)


def test_reverses_an_entry(client: Browser, sara: User, ada: Customer) -> None:
    spent = spend_credit(customer_id=ada.pk, amount_minor=9_000, order_id=NO_ORDER, by=acting(ada))
    asked = client.get(reversing(spent)).content.decode()
    assert "The order that it paid for does not change." in asked
    with only_changes("billing_ledgerentry", "billing_account"):
        answer = client.submit(reversing(spent), {"reason": WHY})
    made = LedgerEntry.objects.get(reverses=spent)
    assert answer.headers["Location"] == reverse("admin:billing_ledgerentry_change", args=[made.pk])
    assert newest(ada) == by(sara, "reversal", 9_000, 50_000)
    page = client.get(reverse("admin:billing_ledgerentry_change", args=[spent.pk])).content.decode()
    assert "Reversed by" in page
    assert "/reverse/" not in page


def test_an_entry_is_reversed_once(client: Browser, ada: Customer) -> None:
    spent = spend_credit(customer_id=ada.pk, amount_minor=9_000, order_id=NO_ORDER, by=acting(ada))
    client.submit(reversing(spent), {"reason": WHY})
    with nothing_changes():
        answer = client.submit(reversing(spent), {"reason": WHY})
    assert form_errors(answer) == {"__all__": ["This entry was already reversed."]}


def test_a_reversal_is_not_reversed(client: Browser, ada: Customer) -> None:
    spent = spend_credit(customer_id=ada.pk, amount_minor=9_000, order_id=NO_ORDER, by=acting(ada))
    client.submit(reversing(spent), {"reason": WHY})
    undone = LedgerEntry.objects.get(reverses=spent)
    with nothing_changes():
        answer = client.submit(reversing(undone), {"reason": WHY})
    sentence = "A reversal cannot be reversed. Adjust the customer's credit instead."
    assert form_errors(answer) == {"__all__": [sentence]}


def test_a_reversal_that_credit_does_not_cover_is_refused(client: Browser, granted: LedgerEntry) -> None:
    with nothing_changes():
        answer = client.submit(reversing(granted), {"reason": WHY})
    assert form_errors(answer) == {"__all__": ["The available credit does not cover this amount."]}


def test_a_redemptions_credit_is_not_reversed_without_the_redemption(client: Browser) -> None:
    code = PromoCodeFactory.create(max_redemptions=1)
    redeem(code=code.code, user_id="bob", by=actor())
    entry = LedgerEntry.objects.get(account__customer__user_id="bob")
    page = client.get(reverse("admin:billing_ledgerentry_change", args=[entry.pk]))
    assert "/reverse/" not in page.content.decode()
    with nothing_changes():
        answer = client.submit(reversing(entry), {"reason": WHY})
    sentence = "This credit comes from a redemption. Release the redemption instead: that also frees its slot."
    assert form_errors(answer) == {"__all__": [sentence]}
    assert verify_redemptions() is None


@pytest.mark.parametrize(
    ("reason", "sentence"),
    [
        ("", "This field is required."),
        (" ", "This field is required."),
        ("a\0b", "Null characters are not allowed."),
        ("x" * 501, "Ensure this value has at most 500 characters (it has 501)."),
    ],
)
def test_a_reversal_needs_a_reason(client: Browser, granted: LedgerEntry, reason: str, sentence: str) -> None:
    with nothing_changes():
        answer = client.submit(reversing(granted), {"reason": reason})
    assert form_errors(answer) == {"reason": [sentence]}


def test_an_unknown_entry_is_not_found(client: Browser) -> None:
    for name in ("change", "reverse"):
        address = reverse(f"admin:billing_ledgerentry_{name}", args=[NO_ORDER])
        assert client.get(address).status_code == HTTPStatus.NOT_FOUND


def test_a_superadmins_message_names_the_customer(client: Browser, ada: Customer) -> None:
    answer = client.submit(adjusting(ada), confirmed(amount="5"))
    assert shown_messages(answer) == [f"The credit of {ada} is adjusted by 5.000 OMR."]


@pytest.mark.parametrize("model", [LedgerEntry, Hold])
def test_a_search_by_a_key_reads_the_customers_first(model: Any) -> None:
    """A subquery beside other conditions would keep PostgreSQL from their indexes, and read the whole ledger."""
    made: Any = admin.site._registry[model]
    found = made.search_filter(str(uuid4()))
    assert "SubPlan" not in model.objects.filter(found).explain()
