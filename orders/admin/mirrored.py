"""Stripe's objects, as dj-stripe mirrors them. Staff read them here; they are changed only at Stripe.

A mirrored object is a document. A page shows the important members, and the whole document below. Amounts are read
from the document, because dj-stripe's own columns and texts divide by a hundred, which is wrong for OMR.
"""

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from django.conf import settings
from django.contrib import admin
from django.contrib.admin import SimpleListFilter
from django.contrib.admin.utils import quote
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from djstripe import models as mirrored

from billing.admin.console.base import ReadOnlyAdmin
from billing.admin.console.display import (
    NOTHING,
    Column,
    Fact,
    Panel,
    Text,
    Tool,
    change_url,
    code,
    link,
    moment,
    outward_link,
    pretty,
    short_stripe_id,
    state_badge,
)
from billing.admin.console.filters import one_of
from billing.admin.ledger import customer_link, order_link
from billing.language import say
from billing.money import format_money
from orders.admin.documents import is_shown, redact
from orders.stripe.payloads import read_moment, read_order_id, read_reference

# Only Stripe itself has a dashboard, the sandbox has none.
STRIPE_API_BASE = "https://api.stripe.com"
# The members of a document that refer to another object, and the models that mirror it.
_REFERENCES = {
    "charge": mirrored.Charge,
    "customer": mirrored.Customer,
    "invoice": mirrored.Invoice,
    "latest_charge": mirrored.Charge,
    "latest_invoice": mirrored.Invoice,
    "payment_intent": mirrored.PaymentIntent,
    "subscription": mirrored.Subscription,
}
# The models by the `object` member of a document.
_KINDS = {
    "charge": mirrored.Charge,
    "checkout.session": mirrored.Session,
    "customer": mirrored.Customer,
    "dispute": mirrored.Dispute,
    "invoice": mirrored.Invoice,
    "payment_intent": mirrored.PaymentIntent,
    "refund": mirrored.Refund,
    "subscription": mirrored.Subscription,
}


def stripe_amount(document: Mapping[str, Any], member: str) -> Text:
    """Formats an amount of the document, in the document's currency."""
    minor, currency = document.get(member), document.get("currency")
    if not isinstance(minor, int) or not isinstance(currency, str):
        return NOTHING
    return format_html('<span class="amount">{}</span>', format_money(minor, currency=currency.upper()))


def stripe_time(value: Any) -> Text:
    """Formats a time of Stripe's, in seconds since 1970."""
    return moment(read_moment(value)) if isinstance(value, int) else NOTHING


def stripe_link(value: Any, model: Any) -> Text:
    """Links to the page of another object of Stripe's."""
    identity = read_reference(value)
    if not identity:
        return NOTHING
    return link(short_stripe_id(identity), change_url(f"djstripe_{model._meta.model_name}", quote(identity)))


def _order_link_of(document: Mapping[str, Any]) -> Text:
    """Links to the order that a session carries."""
    order_id = read_order_id(document)
    return order_link(order_id) if order_id else NOTHING


def by_state(*states: str) -> type[SimpleListFilter]:
    """Makes a filter by the document's state."""
    found = one_of("stripe_data__status", states)
    found.title, found.parameter_name = "state", "state"
    return found


class MirroredAdmin(ReadOnlyAdmin):
    """The list and page of one kind of object. The page is found by dj-stripe's key and by Stripe's id."""

    list_display: Any = ("stripe_id", "created_at_stripe", "state", "money", "customer_named", "mirrored")
    time_field = "created"
    search_fields = ("id",)
    search_help_text = "Stripe's id"
    # The members of the document that hold its state and its amount.
    state_member: ClassVar[str] = "status"
    amount_member: ClassVar[str] = "amount"
    # Further facts on its page: title → member.
    texts: ClassVar[Mapping[str, str]] = {}
    amounts: ClassVar[Mapping[str, str]] = {}
    times: ClassVar[Mapping[str, str]] = {}
    addresses: ClassVar[Mapping[str, str]] = {}
    # The path from the row to our customer; empty where the document refers to none.
    to_subscriber: ClassVar[str] = "customer__subscriber"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows: QuerySet[Any] = self.model.objects.all()
        return rows.select_related(self.to_subscriber) if self.to_subscriber else rows

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        """Finds the row by either key: links from other documents hold only Stripe's id."""
        if object_id.isdecimal():
            return super().get_object(request, object_id[:19], from_field)
        return self.get_queryset(request).filter(id=object_id).first()

    def search_filter(self, term: str) -> Q:
        return Q(id=term)

    def title_of(self, record: Any) -> str:
        return str(record.id)

    def subscriber_of(self, record: Any) -> Any:
        """Finds our customer; None where the object has none."""
        for name in filter(None, self.to_subscriber.split("__")):
            record = getattr(record, name, None)
        return record if self.to_subscriber else None

    @admin.display(description="Id at Stripe")
    def stripe_id(self, record: Any) -> Text:
        return short_stripe_id(record.id)

    @admin.display(description="Created")
    def created_at_stripe(self, record: Any) -> Text:
        return moment(record.created)

    @admin.display(description="State")
    def state(self, record: Any) -> Text:
        found = record.stripe_data.get(self.state_member)
        return state_badge(str(found)) if found else NOTHING

    @admin.display(description="Amount")
    def money(self, record: Any) -> Text:
        return stripe_amount(record.stripe_data, self.amount_member)

    @admin.display(description="Customer")
    def customer_named(self, record: Any) -> Text:
        found = self.subscriber_of(record)
        return customer_link(found) if found else NOTHING

    @admin.display(description="Mirrored")
    def mirrored(self, record: Any) -> Text:
        return moment(record.djstripe_updated)

    def facts(self, request: HttpRequest, record: Any) -> Iterable[Fact]:
        document = record.stripe_data
        yield Fact("State", self.state(record))
        yield Fact("Amount", self.money(record))
        if self.to_subscriber:
            yield Fact("Customer", self.customer_named(record))
        for title, member in self.amounts.items():
            yield Fact(title, stripe_amount(document, member))
        for title, member in self.texts.items():
            yield Fact(title, str(document.get(member) or NOTHING))
        for title, member in self.times.items():
            yield Fact(title, stripe_time(document.get(member)))
        for member, model in _REFERENCES.items():
            if document.get(member):
                yield Fact(
                    say("%(object)s at Stripe", object=say(member.replace("_", " ").capitalize())),
                    stripe_link(document[member], model),
                )
        for title, member in self.addresses.items():
            if is_shown(request, member):
                yield Fact(title, outward_link("Open", str(document.get(member) or "")))
        yield Fact("Created", self.created_at_stripe(record))
        yield Fact("Mirrored", self.mirrored(record))
        yield Fact("Mode", "live" if record.livemode else "test")
        yield Fact("Id at Stripe", code(record.id))

    def links(self, record: Any) -> Iterable[Tool]:
        url = record.get_stripe_dashboard_url() if settings.STRIPE_API_BASE == STRIPE_API_BASE else ""
        return [Tool("Open at Stripe", url)] if url else []

    def panels(self, request: HttpRequest, record: Any) -> Iterable[Panel]:
        document = pretty(redact(request, record.stripe_data))
        yield Panel(title="As Stripe has it", columns=[Column("Document")], rows=[(document,)], empty="")


@admin.register(mirrored.Customer)
class MirroredCustomerAdmin(MirroredAdmin):
    """Customers at Stripe, created at their first payment by card. Their credit is on our own customer's page."""

    noun, nouns = "Stripe customer", "Stripe customers"
    list_display = ("stripe_id", "created_at_stripe", "address", "customer_named", "mirrored")
    search_help_text = "Stripe's id, or e-mail"
    texts = {"E-mail at Stripe": "email", "Name": "name"}
    to_subscriber = "subscriber"

    def search_filter(self, term: str) -> Q:
        return Q(id=term) | Q(email=term)

    @admin.display(description="E-mail at Stripe")
    def address(self, record: Any) -> Text:
        return record.email or NOTHING

    def facts(self, request: HttpRequest, record: Any) -> Iterable[Fact]:
        return (fact for fact in super().facts(request, record) if fact.title not in ("State", "Amount"))


@admin.register(mirrored.Session)
class MirroredSessionAdmin(MirroredAdmin):
    """Checkout sessions: Stripe's pages on which orders are paid."""

    noun, nouns = "Stripe checkout session", "Stripe checkout sessions"
    amount_member = "amount_total"
    amounts = {"Before the discount": "amount_subtotal"}
    texts = {"Payment": "payment_status", "Mode of payment": "mode"}
    times = {"Ends": "expires_at"}

    def facts(self, request: HttpRequest, record: Any) -> Iterable[Fact]:
        yield Fact("Order", _order_link_of(record.stripe_data))
        yield from super().facts(request, record)


@admin.register(mirrored.Subscription)
class MirroredSubscriptionAdmin(MirroredAdmin):
    """Subscriptions that Stripe charges every month."""

    noun, nouns = "Stripe subscription", "Stripe subscriptions"
    list_display = ("stripe_id", "created_at_stripe", "state", "customer_named", "mirrored")
    list_filter = (by_state("active", "past_due", "canceled", "unpaid", "incomplete"),)
    times = {"Cancelled": "canceled_at", "Ends": "cancel_at"}

    def facts(self, request: HttpRequest, record: Any) -> Iterable[Fact]:
        items = (record.stripe_data.get("items") or {}).get("data") or []
        for item in items:
            yield Fact("Per month", stripe_amount(item.get("price") or {}, "unit_amount"))
            yield Fact("Paid until", stripe_time(item.get("current_period_end")))
        yield from (fact for fact in super().facts(request, record) if fact.title != "Amount")


@admin.register(mirrored.Invoice)
class MirroredInvoiceAdmin(MirroredAdmin):
    """Invoices that Stripe issued."""

    noun, nouns = "Stripe invoice", "Stripe invoices"
    list_filter = (by_state("draft", "open", "paid", "uncollectible", "void"),)
    amount_member = "total"
    amounts = {"Due": "amount_due", "Paid": "amount_paid", "Before discounts": "subtotal"}
    texts = {"Number": "number", "Reason": "billing_reason"}
    addresses = {"Page": "hosted_invoice_url", "PDF": "invoice_pdf"}


@admin.register(mirrored.PaymentIntent)
class MirroredPaymentIntentAdmin(MirroredAdmin):
    """Payment intents: a payment with all its attempts."""

    noun, nouns = "Stripe payment", "Stripe payments"
    amounts = {"Received": "amount_received"}
    times = {"Cancelled": "canceled_at"}


@admin.register(mirrored.Charge)
class MirroredChargeAdmin(MirroredAdmin):
    """Charges: money taken from a card."""

    noun, nouns = "Stripe charge", "Stripe charges"
    list_display = (*MirroredAdmin.list_display[:4], "refunded", *MirroredAdmin.list_display[4:])
    list_filter = (by_state("succeeded", "pending", "failed"),)
    amounts = {"Refunded": "amount_refunded"}
    texts = {"Failure": "failure_message"}
    addresses = {"Receipt": "receipt_url"}

    @admin.display(description="Refunded")
    def refunded(self, record: Any) -> Text:
        return stripe_amount(record.stripe_data, "amount_refunded")

    def facts(self, request: HttpRequest, record: Any) -> Iterable[Fact]:
        yield from super().facts(request, record)
        card = (record.stripe_data.get("payment_method_details") or {}).get("card") or {}
        if card:
            yield Fact("Card", f"{card.get('brand')} …{card.get('last4')}")
        if record.stripe_data.get("disputed"):
            yield Fact("Dispute", state_badge("disputed"))


@admin.register(mirrored.Refund)
class MirroredRefundAdmin(MirroredAdmin):
    """Refunds: money returned to a card."""

    noun, nouns = "Stripe refund", "Stripe refunds"
    list_display = ("stripe_id", "created_at_stripe", "state", "money", "of_charge", "mirrored")
    texts = {"Reason": "reason", "Failure": "failure_reason"}
    to_subscriber = ""

    @admin.display(description="Charge")
    def of_charge(self, record: Any) -> Text:
        return stripe_link(record.stripe_data.get("charge"), mirrored.Charge)


@admin.register(mirrored.Dispute)
class MirroredDisputeAdmin(MirroredRefundAdmin):
    """Disputes: charges that the cardholder's bank reverses."""

    noun, nouns = "Stripe dispute", "Stripe disputes"
    texts = {"Reason": "reason"}

    def facts(self, request: HttpRequest, record: Any) -> Iterable[Fact]:
        yield from super().facts(request, record)
        details = record.stripe_data.get("evidence_details") or {}
        yield Fact("Answer by", stripe_time(details.get("due_by")))


@admin.register(mirrored.Event)
class MirroredEventAdmin(MirroredAdmin):
    """Events as Stripe sent them."""

    noun, nouns = "Stripe event", "Stripe events"
    list_display = ("stripe_id", "created_at_stripe", "kind", "about", "mirrored")
    search_help_text = "Stripe's id, or the event's type"
    to_subscriber = ""

    def search_filter(self, term: str) -> Q:
        return Q(id=term) | Q(type=term)

    @admin.display(description="Event")
    def kind(self, record: Any) -> Text:
        return code(record.type)

    @admin.display(description="About")
    def about(self, record: Any) -> Text:
        document = (record.data or {}).get("object") or {}
        model = _KINDS.get(str(document.get("object")))
        if model:
            return stripe_link(document, model)
        return short_stripe_id(document["id"]) if document.get("id") else NOTHING

    def facts(self, request: HttpRequest, record: Any) -> Iterable[Fact]:
        yield Fact("Event", self.kind(record))
        yield Fact("About", self.about(record))
        yield Fact("API version", str(record.api_version or NOTHING))
        yield from (fact for fact in super().facts(request, record) if fact.title not in ("State", "Amount"))
