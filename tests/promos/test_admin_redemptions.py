"""Redemptions in the console: read by an auditor, released by a superadmin with a reason."""

from http import HTTPStatus

import pytest
from django.urls import reverse

from billing.actor import AUDITOR, SUPERADMIN
from billing.models import LedgerEntry, User
from billing.queries import balance_of
from billing.use_cases.ledger.post_entry import spend_credit
from billing.use_cases.ledger.verify_ledger import verify_ledger
from promos.models import Redemption
from promos.use_cases.change_code import retire_code
from promos.use_cases.redeem_code import redeem, release, reserve
from promos.use_cases.verify_redemptions import verify_redemptions
from tests.console import ADDRESS, Browser, client_of, create_user, form_errors, place_orders, shown_messages
from tests.factories import CustomerFactory, PromoCodeFactory, acting, actor
from tests.snapshot import nothing_changes, only_changes

pytestmark = pytest.mark.django_db

WHY = "redeemed by mistake"


@pytest.fixture
def sara(db: None) -> User:
    return create_user(SUPERADMIN)


@pytest.fixture
def client(sara: User) -> Browser:
    return client_of(sara)


@pytest.fixture
def redemption(db: None) -> Redemption:
    """Ada's redemption of a voucher of 10.000 OMR with one slot."""
    CustomerFactory.create(user_id="ada")
    return redeem(code=PromoCodeFactory.create(max_redemptions=1).code, user_id="ada", by=actor())


def releasing(redemption: Redemption) -> str:
    return reverse("admin:promos_redemption_release", args=[redemption.pk])


def page_of(redemption: Redemption) -> str:
    return reverse("admin:promos_redemption_change", args=[redemption.pk])


def test_a_release_returns_slot_redemption_and_credit_together(
    client: Browser, sara: User, redemption: Redemption
) -> None:
    assert WHY not in client.get(releasing(redemption)).content.decode()
    tables = ("promos_redemption", "promos_promocounter", "billing_ledgerentry", "billing_account")
    recorded = "billing_auditentry"
    with only_changes(*tables, recorded):
        answer = client.submit(releasing(redemption), {"reason": WHY})
    assert answer.headers["Location"] == page_of(redemption)
    assert shown_messages(answer) == ["The redemption is released: its slot is free, and its credit was taken back."]
    redemption.refresh_from_db()
    assert (redemption.status, redemption.release_reason) == ("released", WHY)
    assert balance_of(user_id="ada").credit_minor == 0
    assert redemption.promo_code.counters.get().used == 0
    entry = LedgerEntry.objects.latest("version")
    assert (entry.actor_id, entry.actor_role, entry.channel, entry.address) == (
        sara.sub,
        SUPERADMIN,
        "admin",
        ADDRESS,
    )
    assert (verify_ledger().sound, verify_redemptions()) == (True, None)


def test_credit_that_was_spent_is_not_taken_back(client: Browser, redemption: Redemption) -> None:
    ada = redemption.customer
    spend_credit(customer_id=ada.pk, amount_minor=1, order_id=redemption.pk, by=acting(ada))
    with nothing_changes():
        answer = client.submit(releasing(redemption), {"reason": WHY})
    assert form_errors(answer) == {
        "__all__": ["The customer has spent this redemption's credit, or it is held for an open payment."]
    }


def test_an_unconfirmed_redemption_is_not_released_here(client: Browser, redemption: Redemption) -> None:
    release(redemption=redemption, reason="x", by=actor())
    bob = CustomerFactory.create()
    reserved = reserve(promo_code=redemption.promo_code, customer_id=bob.pk, order_id=redemption.pk)
    for other in (redemption, reserved):
        assert "/release/" not in client.get(page_of(other)).content.decode()
        with nothing_changes():
            answer = client.submit(releasing(other), {"reason": WHY})
        sentence = "Only a confirmed redemption can be released, and this one is no longer confirmed."
        assert form_errors(answer) == {"__all__": [sentence]}


@pytest.mark.parametrize("reason", ["", " ", "a\0b", "x" * 201])
def test_a_release_needs_a_reason(client: Browser, redemption: Redemption, reason: str) -> None:
    with nothing_changes():
        answer = client.submit(releasing(redemption), {"reason": reason})
    assert list(form_errors(answer)) == ["reason"]


def test_an_unknown_redemption_is_not_found(client: Browser) -> None:
    address = reverse("admin:promos_redemption_release", args=["00000000-0000-0000-0000-000000000000"])
    assert client.submit(address, {"reason": WHY}).status_code == HTTPStatus.NOT_FOUND


def test_an_auditor_reads_from_redemption_to_order_customer_and_ledger() -> None:
    order = place_orders(1)[0]
    retire_code(code=order.promo_code, by=actor())
    redemption = Redemption.objects.get(order_id=order.pk)
    entry = LedgerEntry.objects.get(redemption_id=redemption.pk)
    page = client_of(create_user(AUDITOR)).get(page_of(redemption)).content.decode()
    for name, key in (
        ("orders_order", order.pk),
        ("billing_customer", order.customer.pk),
        ("billing_ledgerentry", entry.pk),
        ("promos_promocode", redemption.promo_code_id),
    ):
        assert f'href="{reverse(f"admin:{name}_change", args=[key])}"' in page
    assert '<span class="badge badge-bad">retired</span>' in page
    assert "/release/" not in page
