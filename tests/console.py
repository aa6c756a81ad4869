"""Staff who use the console, records for them to see, and readers of the pages they get."""

import re
from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from http import HTTPStatus
from typing import Any

from django.contrib import admin
from django.contrib.auth.models import Group
from django.contrib.messages import get_messages
from django.test import Client
from django.urls import URLPattern, URLResolver
from django.utils import timezone
from django.utils.html import escape
from procrastinate.contrib.django.models import ProcrastinateJob

from billing.actor import CUSTOMER, Actor
from billing.models import (
    AuditEntry,
    BulkGrant,
    Customer,
    Hold,
    Invoice,
    LedgerCheck,
    LedgerEntry,
    LedgerHead,
    Organization,
    Proposal,
    Subscription,
    User,
)
from billing.use_cases.assign_role import role_of
from billing.use_cases.ledger.hold_credit import hold_credit
from billing.use_cases.proof.daily_proof import prove_ledger
from billing.use_cases.proposals.credit_adjustment import CREDIT_ADJUSTMENT, adjustment_arguments
from billing.use_cases.proposals.propose import propose
from orders.models import (
    AddOn,
    App,
    Bundle,
    CardEntry,
    ClosedMonth,
    DeadLetter,
    Document,
    Industry,
    Order,
    OutboxEvent,
    Plan,
    PostingRule,
    VatRate,
    WebhookDelivery,
    WebhookEndpoint,
)
from orders.use_cases.books.close_month import close_month, next_month_to_close
from orders.use_cases.checkout.place_order import CheckoutRequest, place_order
from orders.use_cases.documents.issue_documents import issue_documents
from orders.use_cases.webhooks.keep_endpoints import register_endpoint
from promos.errors import PromoNotFound, PromoProblem
from promos.models import Alert, Batch, Campaign, Card, CardRange, Dealer, PromoCode, Redemption, RefusedAttempt
from promos.use_cases.attempts.record_attempt import record_attempt
from tests.billing.bulk.make_grants import draft as draft_grant
from tests.factories import (
    AddOnFactory,
    AppFactory,
    BundleFactory,
    IndustryFactory,
    OrganizationFactory,
    PlanFactory,
    PromoCodeFactory,
    UserFactory,
    acting,
    actor,
)
from tests.promos.cards.make_batch import active as active_batch
from tests.promos.ranges.make_ranges import act
from tests.promos.ranges.make_ranges import dealer as make_dealer

ADDRESS = "203.0.113.9"
AUDITED = ("action", "object_id", "reason", "actor_id", "actor_email", "actor_role", "channel", "address")
SUPERUSER = "superuser"
NO_ROLE = "no role"


def create_user(role: str) -> User:
    """Create a user with this role; `superuser` and `no role` are staff without a group."""
    user = UserFactory.create(
        username=role.replace(" ", "-"),
        email=f"{role.replace(' ', '-')}@example.org",
        is_staff=role != CUSTOMER,
        is_superuser=role == SUPERUSER,
    )
    if role not in (SUPERUSER, NO_ROLE, CUSTOMER):
        user.groups.add(Group.objects.get(name=role))
    return user


class Browser(Client):
    """A client that fills in the forms of pages, as people do."""

    def token_of(self, address: str, query: dict[str, Any] | None = None) -> str:
        """Open the page with a form, and return the form's token; empty if the page has none."""
        return form_token(self.get(address, query or {}))

    def submit(self, address: str, sent: Mapping[str, Any], *, follow: bool = False) -> Any:
        """Open the page, and send its form with these inputs; `form_token` among them is another page's."""
        token = sent.get("form_token") or self.token_of(address, {"id": sent["id"]} if "id" in sent else {})
        return self.post(address, {**sent, "form_token": token}, follow=follow)


def client_of(user: User, *, enforce_csrf_checks: bool = False) -> Browser:
    """Return a browser at `ADDRESS` in which the user is signed in."""
    client = Browser(enforce_csrf_checks, REMOTE_ADDR=ADDRESS)
    client.force_login(user)
    return client


def console_actor(user: User) -> Actor:
    """Return the actor that use cases receive when this user acts in the console from `ADDRESS`."""
    return Actor(user_id=user.sub, email=user.email, role=role_of(user), channel="admin", address=ADDRESS)


def place_orders(number: int, *, code: str = "") -> list[Order]:
    """Place completed orders of 9.000 OMR, one per customer, each with a voucher that leaves credit."""
    plan = Plan.objects.first() or PlanFactory.create(price_minor=9_000)
    promo_code = code or PromoCodeFactory.create(credit_minor=10_000).code
    placed = []
    for _ in range(number):
        organization = OrganizationFactory.create()
        request = CheckoutRequest(tenant_id=organization.pk, plan=plan.slug, promo_code=promo_code)
        order = place_order(request=request, by=acting(organization.customer))
        hold_credit(customer_id=organization.customer.pk, amount_minor=500, order_id=organization.pk)
        placed.append(Order.objects.get(pk=order.order_id))
    return placed


def propose_adjustment(customer: Customer, *, amount_minor: int = 5_000, by: Actor | None = None) -> Proposal:
    """Propose an adjustment of the customer's credit as a superadmin."""
    arguments = adjustment_arguments(customer_id=customer.pk, amount_minor=amount_minor)
    return propose(CREDIT_ADJUSTMENT, arguments, why="an outage", by=by or actor(user_id="proposer"))


def refuse_code(code: str, problem: PromoProblem | None = None, *, by: Actor | None = None) -> RefusedAttempt:
    """Record a refused redemption, by default of an unknown code."""
    by = by or actor(CUSTOMER, user_id="ada")
    record_attempt(problem or PromoNotFound(), code=code, act=RefusedAttempt.Act.REDEMPTION, by=by)
    return RefusedAttempt.objects.latest("created_at", "id")


def keep_books() -> None:
    """Create a card entry with its document, a rate of VAT and a closed month."""
    order = Order.objects.earliest("created_at")
    CardEntry.objects.create(
        kind="payment", amount_minor=10, currency="OMR", order=order, stripe_object_id="cs_books"
    )
    VatRate.objects.create(starts_on=date(2020, 1, 1), basis_points=500)
    close_month(month=next_month_to_close(), why="month end", by=actor())
    issue_documents(until=timezone.now() + timedelta(milliseconds=1))


def create_one_of_each() -> dict[str, object]:
    """Create a record of every model of the console; return each model's name in addresses → the record's key."""
    for factory in (AddOnFactory, AppFactory, BundleFactory, IndustryFactory):
        factory.create()
    DeadLetter.objects.create(key="1", topic="sme.tenant.events", body=b"{}", reason="the event has no type")
    register_endpoint(url="https://shop.example.com/hooks", by=actor())
    place_orders(1)
    propose_adjustment(Customer.objects.earliest("pk"))
    act(active_batch(), "allocate", 1, 2, dealer=make_dealer())
    refuse_code("NO-SUCH-CODE")
    prove_ledger()
    draft_grant("ada,5")
    keep_books()
    Alert.objects.create(kind=Alert.Kind.CUSTOMER, subject="ada", number=101)
    models = (
        AddOn,
        Alert,
        App,
        AuditEntry,
        Batch,
        BulkGrant,
        Bundle,
        Campaign,
        Card,
        CardRange,
        Customer,
        DeadLetter,
        Dealer,
        Hold,
        Industry,
        Invoice,
        LedgerCheck,
        LedgerEntry,
        LedgerHead,
        Order,
        Organization,
        OutboxEvent,
        Plan,
        ProcrastinateJob,
        PromoCode,
        Proposal,
        Redemption,
        RefusedAttempt,
        Subscription,
        WebhookDelivery,
        WebhookEndpoint,
        CardEntry,
        ClosedMonth,
        Document,
        PostingRule,
        VatRate,
    )
    found = {f"{model._meta.app_label}_{model._meta.model_name}": model.objects.first() for model in models}
    return {name: record.pk for name, record in found.items() if record} | {"billing_user": UserFactory.create().pk}


def console_addresses(key: object) -> Iterator[str]:
    """Make an address of each page of the console, with this key in place of each argument."""
    urls: Any = admin.site.get_urls()
    yield from _addresses(list(urls), "/admin/", key)


def _addresses(patterns: list[Any], prefix: str, key: object) -> Iterator[str]:
    """Make an address of each pattern, with this key in place of each argument."""
    for each in patterns:
        text = prefix + str(each.pattern).removeprefix("^").removesuffix("$").removesuffix("\\Z")
        if isinstance(each, URLResolver):
            yield from _addresses(each.url_patterns, text, key)
        elif isinstance(each, URLPattern):
            parts = text.split("<")
            yield parts[0] + "".join(f"{key}{part.partition('>')[2]}" for part in parts[1:]).replace("(?P", "")


def form_token(answer: Any) -> str:
    """Return the token of the form on a page; empty if it has none."""
    found = re.search(r'name="form_token" value="([^"]*)"', answer.content.decode())
    return found[1] if found else ""


def shown_messages(answer: Any) -> list[str]:
    """Return the messages that a redirect brings to the next page."""
    return [str(message) for message in get_messages(answer.wsgi_request)]


def form_errors(answer: Any) -> dict[str, list[str]]:
    """Return the form errors of a page by field, after asserting that the page shows each of them."""
    assert answer.status_code == HTTPStatus.OK
    form = answer.context["adminform"].form if "adminform" in answer.context else answer.context["form"]
    found = {name: list(sentences) for name, sentences in form.errors.items()}
    page = answer.content.decode()
    assert all(escape(sentence) in page for sentences in found.values() for sentence in sentences)
    return found


def latest_audit_entry() -> dict[str, Any]:
    """Return what the newest audit entry says: who did what, why and from where."""
    return dict(AuditEntry.objects.values(*AUDITED).latest("pk"))


def expected_audit_entry(user: User, action: str, object_id: object, *, why: str) -> dict[str, Any]:
    """Return the audit entry that this user's action in the console must leave."""
    by = console_actor(user)
    values = (action, str(object_id), why, by.user_id, by.email, by.role, "admin", ADDRESS)
    return dict(zip(AUDITED, values, strict=True))
