"""The account: orders, an organization with its subscription and members, and what strangers see of them."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from allauth.usersessions.models import UserSession
from django.test import Client
from django.urls import reverse

from billing.models import Customer, Organization, OrganizationMember, SignInCode, Subscription, User
from billing.use_cases.identity.sessions import open_session
from billing.use_cases.identity.sign_in.sign_in_codes import derive_code
from billing.use_cases.ledger.post_entry import grant_credit, reverse_entry, spend_credit
from orders.models import Order
from orders.models.basket import CheckoutRequest
from orders.use_cases.checkout.place_order import place_order
from tests.factories import CustomerFactory, OrganizationFactory, UserFactory, acting, give_credit
from tests.orders.web.shop.conftest import Visitor, buyer, catalog, client_of, text_of, user, visitor

pytestmark = pytest.mark.django_db
__all__ = ["buyer", "catalog", "client_of", "user", "visitor"]


@pytest.fixture
def owner(user: User) -> Customer:
    return CustomerFactory.create(user_id=user.sub, email=user.email)


@pytest.fixture
def bakery(buyer: Visitor, owner: Customer) -> Organization:
    """An organization of the signed-in customer with a paid month of plan m."""
    bakery = OrganizationFactory.create(customer=owner, slug="bakery", name="Bakery")
    give_credit(owner, 30_000)
    place_order(request=CheckoutRequest(tenant_id=bakery.id, plan="m", apps=("ghost",)), by=acting(owner))
    bakery.refresh_from_db()
    return bakery


def test_the_account_shows_orders_and_leads_to_an_organization(buyer: Visitor, bakery: Organization) -> None:
    page = text_of(buyer.get("account"))
    order = Order.objects.get()
    for address in (
        reverse("account-organization", args=[bakery.id]),
        reverse("shop-order", args=[order.id]),
        reverse("account-orders"),
    ):
        assert f'href="{address}"' in page
    assert "21.000 OMR" in page and "Paid for an order" in page
    page = text_of(buyer.get("account-credit-sources"))
    for shown in ("Correction", "30.000 OMR", "21.000 OMR", "9.000 OMR", "Paid for an order", "Bakery"):
        assert shown in page
    page = text_of(buyer.get("account-organization", bakery.id))
    for shown in ("Bakery", "Renews on", "9.000 OMR", "Ghost", "owner", "paid"):
        assert shown in page


def test_the_credit_page_shows_every_change_and_what_expires_when(buyer: Visitor, owner: Customer) -> None:
    expiry = datetime(2031, 1, 1, tzinfo=UTC)
    grant_credit(customer_id=owner.pk, amount_minor=5_000, reason="gift", expires_at=expiry, by=acting(owner))
    for number in range(60):
        give_credit(owner, 1_000 + number)
    first = buyer.get("account-credit")
    page = text_of(first)
    for shown in ("66.770 OMR", "1 January 2031, 00:00 UTC", "does not expire", "+1.059 OMR", "Older changes"):
        assert shown in page
    second = buyer.get("account-credit", before=str(first.context["older"]))
    amounts = [each.amount for page in (first, second) for each in page.context["changes"]]
    assert len(amounts) == len(set(amounts)) == 61 and second.context["older"] is None
    for unknown in ("x", "9" * 40, "\u0661"):
        assert len(buyer.get("account-credit", before=unknown).context["changes"]) == 50


def test_the_credit_page_tells_what_is_given_back_from_what_is_taken_back(buyer: Visitor, owner: Customer) -> None:
    by = acting(owner)
    given = grant_credit(customer_id=owner.pk, amount_minor=5_000, reason="gift", by=by)
    give_credit(owner, 1_000)
    spent = spend_credit(customer_id=owner.pk, amount_minor=1_000, order_id=uuid4(), by=by)
    for entry in (spent, given):
        reverse_entry(entry_id=entry.id, why="a mistake", by=by)
    changes = buyer.get("account-credit").context["changes"]
    assert [(each.words, each.amount) for each in changes[:2]] == [
        ("Taken back", "\u22125.000 OMR"),
        ("Given back", "+1.000 OMR"),
    ]


def test_a_subscription_is_cancelled_resumed_and_ended(buyer: Visitor, bakery: Organization) -> None:
    back = reverse("account-organization", args=[bakery.id])
    for act, ends, sentence in (
        ("cancel", True, "The subscription is cancelled."),
        ("resume", False, "The subscription goes on."),
    ):
        answer = buyer.post(f"account-organization-{act}", bakery.id)
        assert answer.headers["Location"] == back
        assert sentence in text_of(buyer.client.get(back))
        assert Subscription.objects.get().cancel_at_period_end is ends
    buyer.post("account-organization-cancel", bakery.id, at="now")
    assert Subscription.objects.get().status == "canceled"
    assert "Ended" in text_of(buyer.client.get(back))
    buyer.post("account-organization-resume", bakery.id)
    assert "The subscription has ended" in text_of(buyer.client.get(back))


def test_a_change_of_plan_starts_with_what_the_organization_has(buyer: Visitor, bakery: Organization) -> None:
    assert buyer.post("account-organization-change", bakery.id).headers["Location"] == reverse("shop")
    assert buyer.client.session["shop"] == {
        "plan": "m",
        "apps": ["ghost"],
        "addons": [],
        "organization": str(bakery.id),
        "name": "",
        "slug": "",
        "vat_number": "",
        "code": "",
    }
    # The same again is refused in words, and another basket is quoted with the unused month.
    assert buyer.get("shop-review").headers["Location"] == reverse("shop-checkout")
    assert "already subscribed to this plan" in text_of(buyer.get("shop-checkout"))
    buyer.post("shop-addons", addon="backup")
    page = buyer.get("shop-review")
    assert page.context["proration"] and "of the month that you have paid" in text_of(page)
    assert buyer.place().status_code == 302
    assert Subscription.objects.get(status="active").amount_minor == 12_000


def test_the_vat_number_is_changed(buyer: Visitor, bakery: Organization) -> None:
    for typed, kept, sentence in (
        ("om 1100.000-000", "OM1100000000", "It stands on the invoices"),
        ("OM 11!", "OM1100000000", "Use 4 to 30 Latin letters and digits."),
        ("", "", "The invoices from now on have none."),
    ):
        buyer.post("account-organization-vat-number", bakery.id, vat_number=typed)
        page = buyer.get("account-organization", bakery.id)
        bakery.refresh_from_db()
        assert bakery.vat_number == kept and sentence in text_of(page)
        assert page.context["details"].initial == {"vat_number": kept}


def test_members_are_invited_and_removed(buyer: Visitor, bakery: Organization) -> None:
    buyer.post("account-organization-invite", bakery.id, email="eve@example.org", role="viewer")
    member = OrganizationMember.objects.get()
    page = text_of(buyer.get("account-organization", bakery.id))
    assert "eve@example.org is invited." in page and "viewer · invited" in page
    for fields, sentence in (
        ({"email": "no", "role": "viewer"}, "Enter an e-mail address"),
        ({"email": "eve@example.org", "role": "owner"}, "Enter an e-mail address"),
        ({"email": "eve@example.org", "role": "viewer"}, "already"),
    ):
        buyer.post("account-organization-invite", bakery.id, **fields)
        assert sentence in text_of(buyer.get("account-organization", bakery.id))
    buyer.post("account-organization-remove", bakery.id, member=str(member.id))
    assert not OrganizationMember.objects.exists()


def test_the_portal_is_refused_in_words_without_a_processor(buyer: Visitor, bakery: Organization) -> None:
    buyer.post("account-organization-portal", bakery.id)
    assert "Payment processor is not configured" in text_of(buyer.get("account-organization", bakery.id))


def test_each_person_sees_and_does_what_the_role_allows(
    bakery: Organization, client_of: Callable[[str], Visitor]
) -> None:
    viewer, stranger = client_of("vera"), client_of("sam")
    address = UserFactory._meta.model.objects.get(email="vera@example.org")
    address.emailaddress_set.create(email=address.email, verified=True, primary=True)
    OrganizationMember.objects.create(organization=bakery, email="vera@example.org", role="viewer")
    page = text_of(viewer.get("account-organization", bakery.id))
    assert "Bakery" in page and "Your role here: viewer." in page
    for hidden in ("Invite", "Cancel at", "Invoices", "Open Stripe"):
        assert hidden not in page
    acts = ("change", "cancel", "resume", "portal", "invite", "remove", "vat-number")
    for act in acts:
        fields = {"email": "x@example.org", "role": "viewer"}
        assert viewer.post(f"account-organization-{act}", bakery.id, **fields).status_code == 302
        assert stranger.post(f"account-organization-{act}", bakery.id, **fields).status_code == 404
        nobody = Client().post(reverse(f"account-organization-{act}", args=[bakery.id]))
        assert nobody.headers["Location"].startswith(reverse("account_login"))
    assert stranger.get("account-organization", bakery.id).status_code == 404
    assert "Bakery" not in text_of(stranger.get("account")) + text_of(stranger.get("account-orders"))
    assert Subscription.objects.get().cancel_at_period_end is False
    assert OrganizationMember.objects.count() == 1


def test_one_session_ends_and_only_one_of_ones_own(
    buyer: Visitor, user: User, client_of: Callable[[str], Visitor]
) -> None:
    other, stranger = Client(), client_of("sam")
    other.force_login(user)
    for client in (other, buyer.client):
        key = client.session.session_key
        UserSession.objects.create(
            user=user, session_key=key, ip="192.0.2.7", user_agent="Mozilla/5.0 (Windows NT 10.0) Firefox/140.0"
        )
    open_session(user=user, method="code")
    page = buyer.get("account-sessions")
    for shown in ("this browser", "Firefox, Windows", "An app or another site, signed in with a mailed code"):
        assert shown in text_of(page)
    others = [each["id"] for each in page.context["sessions"] if not each["is_current"]]
    assert len(others) == 2
    for session_id in (*others, "x", "9" * 30):
        stranger.post("account-end-session", session=session_id)
        assert "has ended already" in text_of(stranger.get("account-sessions"))
    assert other.get(reverse("account")).status_code == 200
    for session_id in others:
        buyer.post("account-end-session", session=session_id)
        assert "The session has ended." in text_of(buyer.get("account-sessions"))
    assert other.get(reverse("account")).status_code == 302
    assert [each["is_current"] for each in buyer.get("account-sessions").context["sessions"]] == [True]


def test_all_sessions_end_at_once(buyer: Visitor, user: User) -> None:
    other = Client()
    other.force_login(user)
    assert buyer.post("account-end-sessions").headers["Location"] == reverse("account_login")
    for client in (other, buyer.client):
        assert client.get(reverse("account")).status_code == 302


@pytest.mark.parametrize("rows", [1, 50])
def test_the_pages_cost_the_same_queries_for_any_number_of_rows(
    buyer: Visitor, bakery: Organization, owner: Customer, django_assert_num_queries: Any, rows: int
) -> None:
    order = Order.objects.get()
    for number in range(rows):
        OrganizationFactory.create(customer=owner, slug=f"other-{number}")
        OrganizationMember.objects.create(organization=bakery, email=f"m{number}@example.org", role="member")
        copied = Order.objects.get(id=order.id)
        copied.id, copied.created_at = None, order.created_at + timedelta(seconds=number)  # type: ignore[assignment]
        copied.save(force_insert=True)
    pages = {
        ("account", ""): 7,
        ("account-orders", ""): 5,
        ("account-credit", ""): 6,
        ("account-organization", str(bakery.id)): 11,
    }
    for (name, identity), queries in pages.items():
        with django_assert_num_queries(queries):
            page = buyer.get(name, *filter(None, [identity]))
        assert page.status_code == 200 and len(page.content) < 50_000
    older = buyer.get("account-orders").context["older"]
    assert (older is not None) == (rows + 1 > 50)
    if older:
        assert len(buyer.get("account-orders", before=str(older)).context["orders"]) == 1


def test_the_customers_data_comes_as_a_file(buyer: Visitor, bakery: Organization) -> None:
    assert reverse("account-data") in text_of(buyer.get("account"))
    assert "Download my data" in text_of(buyer.get("account-data"))
    answer = buyer.post("account-download-data")
    assert answer.headers["Content-Disposition"] == 'attachment; filename="my-data.json"'
    assert [each["slug"] for each in json.loads(answer.content)["organizations"]] == ["bakery"]


def test_an_account_is_deleted_on_its_page(buyer: Visitor, bakery: Organization, user: User) -> None:
    page = text_of(buyer.get("account-delete"))
    assert "delete it first" in page and "Delete my account" not in page
    deletion = reverse("account-organization-delete", args=[bakery.id])
    assert "Type bakery" in text_of(buyer.client.post(deletion, follow=True))
    buyer.client.post(deletion, {"slug": "Bakery "})
    page = text_of(buyer.get("account-delete"))
    assert "I lose my credit of 21.000 OMR" in page
    buyer.post("account-delete-code")
    assert "We have mailed you a code" in text_of(buyer.get("account-delete"))
    stored = SignInCode.objects.get()
    code = derive_code(stored.key, stored.email)
    for wrong in ("", 21 * "1"):
        refused = buyer.post("account-delete", code=wrong)
        assert refused.context["form"].errors["code"][0] in text_of(refused)
    assert "confirm that it may be lost" in text_of(buyer.post("account-delete", code=code))
    assert buyer.post("account-delete", code=code, lose_credit="on").headers["Location"] == reverse("shop")
    assert "Your account is deleted" in text_of(buyer.get("shop"))
    assert buyer.get("account").status_code == 302
    assert not User.objects.filter(pk=user.pk).exists()
