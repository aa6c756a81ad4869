"""Every page of customers, and a customer who has rows to see on each of them.

`test_every_page_is_named` of tests/orders/web/test_page_costs.py compares them with the addresses that the service
answers, so that a new page is measured and checked as the others are.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any
from urllib.parse import urlencode, urlsplit

from allauth.account.internal.flows.login import record_authentication
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from allauth.usersessions.models import UserSession
from django.conf import settings
from django.test import Client, RequestFactory
from django.urls import URLPattern, URLResolver, get_resolver, reverse
from django.utils import timezone

from billing.models import Customer, Hold, Invoice, Organization, OrganizationMember, User
from billing.use_cases.identity.sessions import open_session
from billing.use_cases.ledger.hold_credit import hold_credit
from billing.use_cases.ledger.post_entry import grant_credit
from billing.use_cases.personal.mail_choices import unsubscribe_address
from config.parts.api_groups import EndpointResolver
from orders.models import CardEntry, Document, Order, Payment, VatRate
from orders.models.basket import CheckoutRequest
from orders.use_cases.catalog.seed_catalog import seed_catalog
from orders.use_cases.checkout.place_order import place_order
from orders.use_cases.documents.issue_documents import issue_documents
from tests.factories import (
    AddOnFactory,
    AppFactory,
    BundleFactory,
    CustomerFactory,
    IndustryFactory,
    OrganizationFactory,
    PlanFactory,
    PromoCodeFactory,
    UserFactory,
    acting,
    give_credit,
)

# Addresses that answer no page: forms that lead on, files, and what the sign-in's pages call.
NO_PAGES = {
    "account-delete-code",
    "account-document-file",
    "account-download-data",
    "account-end-session",
    "account-end-sessions",
    "account-organization-cancel",
    "account-organization-change",
    "account-organization-delete",
    "account-organization-invite",
    "account-organization-portal",
    "account-organization-remove",
    "account-organization-resume",
    "account-organization-vat-number",
    "account-statement-file",
    "account_provider",
    "account_reauthenticate",
    "brand-logo",
    "brand-stylesheet",
    "docs",
    "language",
    "mfa_authenticate",
    "mfa_download_recovery_codes",
    "schema",
    "shop-give-up",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Pages:
    """The browsers of a stranger, of a customer, and of one with a second factor; the addresses that each opens."""

    clients: dict[str, Client]
    addresses: dict[str, list[tuple[str, str]]]

    def __iter__(self) -> Iterator[tuple[str, Client, str]]:
        """Yields the name of each page, the browser that opens it, and its address."""
        for who, found in self.addresses.items():
            for name, address in found:
                yield name, self.clients[who], address


def page_names() -> set[str]:
    """Returns the names of all addresses of customers, as the URL patterns have them."""
    return {name for name in _names(get_resolver().url_patterns) if name not in NO_PAGES}


def _names(patterns: list[Any]) -> Iterator[str]:
    for each in patterns:
        if isinstance(each, URLResolver) and not each.namespace and not isinstance(each, EndpointResolver):
            yield from _names(each.url_patterns)
        elif isinstance(each, URLPattern) and each.name:
            yield each.name


def create_pages(*, rows: int) -> Pages:
    """Fills the shop and a customer's account with this many rows of each kind, and returns every page."""
    addons = _fill_catalog(rows)
    customer = _create_customer("ada")
    bakery = _buy(customer, rows)
    waiting = _wait_for_card(customer)
    _add_history(customer, bakery, rows)
    clients = {"stranger": _stranger(customer), "customer": _buyer(customer, addons), "protected": _protected()}
    document = Document.objects.filter(order__customer=customer).latest("pk")
    return Pages(clients=clients, addresses=_addresses(customer, bakery, waiting, document))


def _addresses(
    customer: Customer, bakery: Organization, waiting: Order, document: Document
) -> dict[str, list[tuple[str, str]]]:
    paid = Order.objects.filter(organization=bakery, status=Order.Status.COMPLETED).earliest("created_at")
    ended = Order.objects.filter(customer=customer, status=Order.Status.EXPIRED).latest("created_at")
    link = urlsplit(unsubscribe_address(customer, "renewal_ahead"))
    card = {"code": "CARD20"}

    def page(name: str, *args: object, **query: str) -> tuple[str, str]:
        return name, f"{reverse(name, args=args)}{'?' if query else ''}{urlencode(query)}"

    month = timezone.localtime().strftime("%Y-%m")
    return {
        "stranger": [
            page("landing"),
            page("shop"),
            page("redeem"),
            page("redeem", **card),
            page("redeem", code="NO-SUCH-CARD"),
            page("account_login"),
            page("account_code"),
            page("account_second_factor"),
            page("account_provider_callback"),
            page("checkout-success"),
            page("checkout-cancel"),
            ("unsubscribe", f"{link.path}?{link.query}"),
        ],
        "customer": [
            page("landing"),
            page("redeem", **card),
            page("shop"),
            page("shop-apps"),
            page("shop-addons"),
            page("shop-checkout"),
            page("shop-review"),
            page("shop-order", paid.pk),
            page("shop-order", waiting.pk),
            page("shop-order", ended.pk),
            page("account"),
            page("account-credit"),
            page("account-credit-sources"),
            page("account-orders"),
            page("account-organization", bakery.pk),
            page("account-organization", waiting.organization_id),
            page("account-documents"),
            page("account-document", document.pk),
            page("account-statements"),
            page("account-statement", month),
            page("account-sessions"),
            page("account-mails"),
            page("account-data"),
            page("account-delete"),
            page("account_logout"),
            page("mfa_index"),
            page("mfa_activate_totp"),
        ],
        "protected": [
            page("account-delete"),
            page("mfa_index"),
            page("mfa_view_recovery_codes"),
            page("mfa_generate_recovery_codes"),
            page("mfa_deactivate_totp"),
            page("mfa_reauthenticate"),
        ],
    }


def _fill_catalog(rows: int) -> list[str]:
    """Makes the starting catalog, a voucher, and as many items of each kind as rows. Returns the slugs of add-ons."""
    seed_catalog()
    PromoCodeFactory.create(code="CARD20", credit_minor=20_000, description="Twenty rials for new shops")
    addons = []
    for _ in range(rows):
        PlanFactory.create()
        IndustryFactory.create()
        addons.append(AddOnFactory.create().slug)
        app = AppFactory.create()
        BundleFactory.create(apps=[app.slug, "wordpress"], discount_percent=5)
    return addons


def _create_customer(name: str) -> Customer:
    """Makes a customer who signs in with mailed codes."""
    user = UserFactory.create(email=f"{name}@example.org")
    user.set_unusable_password()
    user.save()
    user.emailaddress_set.create(email=user.email, verified=True, primary=True)
    return CustomerFactory.create(user_id=user.sub, email=user.email)


def _buy(customer: Customer, rows: int) -> Organization:
    """Makes an organization of a long address with a paid month, and as many others, members and invoices."""
    bakery = OrganizationFactory.create(customer=customer, slug="ada-bakery-in-old-muttrah-souq", name="Ada Bakery")
    give_credit(customer, 300_000)
    request = CheckoutRequest(
        tenant_id=bakery.pk, plan="m", apps=("wordpress", "nextcloud"), addons=("daily-backup", "custom-domain")
    )
    place_order(request=request, by=acting(customer))
    month = Invoice.objects.get(organization=bakery)
    for number in range(1, rows + 1):
        OrganizationFactory.create(customer=customer, slug=f"branch-{number}", name=f"Branch {number}")
        OrganizationMember.objects.create(organization=bakery, email=f"staff-{number}@example.org", role="member")
        _copy(
            month,
            order_id=None,
            period_start=month.period_start - timedelta(days=number),
            created_at=month.created_at - timedelta(days=number),
        )
    return bakery


def _wait_for_card(customer: Customer) -> Order:
    """Makes an order whose card payment is open, with credit held for it, and one that was not paid."""
    placed = Order.objects.filter(customer=customer).earliest("created_at")
    open_until = timezone.now() + timedelta(minutes=40)
    found: list[Order] = []
    for slug, status in (("cafe", Order.Status.EXPIRED), ("garage", Order.Status.PENDING)):
        organization = OrganizationFactory.create(customer=customer, slug=slug, name=slug.title())
        credit = 5_000 if status == Order.Status.PENDING else 0
        order = _copy(
            placed, organization=organization, status=status, completed_at=None, credit_applied_minor=credit
        )
        for line in placed.lines.all():
            _copy(line, order=order)
        is_open = status == Order.Status.PENDING
        Payment.objects.create(
            order=order,
            status=Payment.Status.OPEN if is_open else Payment.Status.EXPIRED,
            amount_minor=order.amount_due_minor,
            currency=order.currency,
            leased_until=timezone.now(),
            expires_at=open_until,
            session_id=f"cs_{slug}",
            session_url="https://checkout.stripe.com/c/pay/cs_test" if is_open else "",
        )
        found.append(order)
    hold_credit(customer_id=customer.pk, amount_minor=5_000, order_id=found[-1].pk)
    assert Hold.objects.filter(order_id=found[-1].pk).exists()
    return found[-1]


def _add_history(customer: Customer, bakery: Organization, rows: int) -> None:
    """Makes as many changes of the balance, kinds of credit, orders, documents and sessions as rows."""
    if not VatRate.objects.exists():
        VatRate.objects.create(starts_on=date(2021, 4, 16), basis_points=500)
    paid = Order.objects.filter(organization=bakery).earliest("created_at")
    user = User.objects.get(sub=customer.user_id)
    for number in range(1, rows + 1):
        expires_at = timezone.now() + timedelta(days=number)
        grant_credit(
            customer_id=customer.pk, amount_minor=1_000, reason="gift", expires_at=expires_at, by=acting(customer)
        )
        order = _copy(paid, created_at=paid.created_at + timedelta(seconds=number))
        for line in paid.lines.all():
            _copy(line, order=order)
        CardEntry.objects.create(
            kind="payment", amount_minor=10, currency="OMR", order=order, stripe_object_id=f"cs_paid_{number}"
        )
        open_session(user=user, method="code")
        UserSession.objects.create(user=user, session_key=f"key-{number}", ip="192.0.2.7", user_agent="Firefox/140.0")
    issue_documents(until=timezone.now() + timedelta(milliseconds=1))


def _copy(row: Any, **changes: Any) -> Any:
    """Inserts a copy of the row under a key of its own."""
    copied = type(row).objects.get(pk=row.pk)
    copied.pk = None
    for name, value in changes.items():
        setattr(copied, name, value)
    copied.save(force_insert=True)
    return copied


def _stranger(customer: Customer) -> Client:
    """A browser in the middle of a sign-in, at the mailed code and at the second factor."""
    user = User.objects.get(sub=customer.user_id)
    return _with_session(Client(), sign_in_address=customer.email, sign_in_proved=[user.pk, int(time.time())])


def _buyer(customer: Customer, addons: list[str]) -> Client:
    """A browser of the customer, with a full basket for an organization of theirs."""
    client = Client()
    client.force_login(User.objects.get(sub=customer.user_id))
    branch = Organization.objects.get(slug="branch-1")
    basket = {
        "plan": "s",
        "apps": ["wordpress", "ghost", "stalwart-mail", "cal-com", "chatwoot"],
        "addons": ["daily-backup", "priority-support", *addons],
        "organization": str(branch.pk),
        "code": "CARD20",
    }
    return _with_session(client, shop=basket)


def _protected() -> Client:
    """A browser of a customer with a second factor, who has just signed in."""
    user = User.objects.get(sub=_create_customer("mona").user_id)
    TOTP.activate(user, generate_totp_secret())
    RecoveryCodes.activate(user)
    client = Client()
    client.force_login(user)
    request = RequestFactory().get("/")
    request.user, request.session = user, client.session
    record_authentication(request, user, method="mfa", type="totp", reauthenticated=True)
    request.session.save()
    return client


def _with_session(client: Client, **values: Any) -> Client:
    session = client.session
    for name, value in values.items():
        session[name] = value
    session.save()
    client.cookies[settings.SESSION_COOKIE_NAME] = session.session_key or ""
    return client
