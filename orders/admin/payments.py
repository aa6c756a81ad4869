"""Card payments: their requests to Stripe, their events, and their refunds."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest

from billing.admin.console.base import ReadOnlyAdmin
from billing.admin.console.display import (
    NOTHING,
    Column,
    Fact,
    Panel,
    Text,
    amount,
    badge,
    change_url,
    code,
    copyable,
    link,
    moment,
    outward_link,
    pretty,
    state_badge,
)
from billing.admin.console.people import name_of
from billing.admin.ledger import customer_link, order_link
from billing.language import say
from billing.local_time import local_day
from orders.admin.documents import redact, sees_links
from orders.models import Order, Payment, Refund, StripeEvent
from orders.queries.orders import open_payments


@admin.register(Payment)
class PaymentAdmin(ReadOnlyAdmin):
    """The list and page of card payments."""

    noun, nouns = "card payment", "card payments"
    list_display = ("when", "order_named", "customer_named", "state", "charged", "refunded", "paid")
    list_filter = ("status",)
    search_fields = ("order_id",)
    search_help_text = "Order id; Stripe's id of the session, payment, subscription or invoice"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Payment, Payment]:
        # A join would read all newer orders before those of a deep page.
        return Payment.objects.prefetch_related("order__customer")

    def search_filter(self, term: str) -> Q:
        found = Q(session_id=term) | Q(payment_intent_id=term)
        found |= Q(stripe_subscription_id=term) | Q(stripe_invoice_id=term)
        try:
            return found | Q(order_id=UUID(term))
        except ValueError:
            return found

    @admin.display(description="Requested")
    def when(self, payment: Payment) -> Text:
        return moment(payment.requested_at)

    @admin.display(description="Order")
    def order_named(self, payment: Payment) -> Text:
        return order_link(payment.order_id)

    @admin.display(description="Customer")
    def customer_named(self, payment: Payment) -> Text:
        return customer_link(payment.order.customer)

    @admin.display(description="State")
    def state(self, payment: Payment) -> Text:
        return state_badge(payment.status)

    @admin.display(description="Amount")
    def charged(self, payment: Payment) -> Text:
        return amount(payment.amount_minor)

    @admin.display(description="Refunded")
    def refunded(self, payment: Payment) -> Text:
        return amount(payment.refunded_minor) if payment.refunded_minor else NOTHING

    @admin.display(description="Paid")
    def paid(self, payment: Payment) -> Text:
        return moment(payment.paid_at)

    def facts(self, request: HttpRequest, record: Any) -> Iterable[Fact]:
        yield Fact("State", self.state(record))
        yield Fact("Order", self.order_named(record))
        yield Fact("Customer", self.customer_named(record))
        yield Fact("Charged" if record.paid_at else "To be charged", self.charged(record))
        yield Fact("Refunded", self.refunded(record))
        yield Fact("Requested", self.when(record))
        yield Fact("Session ends", moment(record.expires_at))
        yield Fact("Paid", self.paid(record))
        yield Fact("Closed", moment(record.closed_at))
        if record.refusal:
            yield Fact("Why it failed", record.refusal)
        yield Fact("Needs cleanup at Stripe", say("yes" if record.needs_stripe_cleanup else "no"))
        yield Fact("Session at Stripe", code(record.session_id))
        if record.payment_intent_id:
            yield Fact("Payment at Stripe", code(record.payment_intent_id))
        if record.stripe_subscription_id:
            yield Fact("Subscription at Stripe", code(record.stripe_subscription_id))
        if record.stripe_invoice_id:
            yield Fact("Invoice at Stripe", code(record.stripe_invoice_id))

    def panels(self, request: HttpRequest, record: Any) -> Iterable[Panel]:
        for waiting in open_payments().filter(pk=record.pk):
            yield waiting_panel(request, waiting)
        if record.paid_at:
            yield refunds_panel(record)


def waiting_panel(request: HttpRequest, payment: Payment, *, names_order: bool = True) -> Panel:
    """Builds the panel of an open payment: its amount, its end, and the link to pay."""
    order = payment.order
    facts = [
        Fact("Due by card", amount(payment.amount_minor)),
        Fact("Credit held for it", amount(order.credit_to_hold_minor)),
        Fact("For", _cause(order)),
        Fact("Session ends", moment(payment.expires_at)),
    ]
    if names_order:
        facts.append(Fact("Order", order_link(order.pk)))
    if not sees_links(request):
        return Panel(title=_WAITING, facts=facts, notes=["A superadmin sees the link to pay."])
    open_page = outward_link("Open the payment page", payment.session_url)
    facts += [Fact("Payment page", open_page), Fact("Link for the customer", copyable(payment.session_url))]
    return Panel(
        title=_WAITING,
        facts=facts,
        notes=["The link belongs to the customer: anyone who has it can pay for this order."],
    )


_WAITING = "Waiting for payment"


def _cause(order: Order) -> str:
    if order.kind == Order.Kind.RENEWAL:
        return say(
            "the month from %(day)s" if order.period_start else "a month",
            day=local_day(order.period_start) if order.period_start else "",
        )
    return "a new order"


def refunds_panel(payment: Payment) -> Panel:
    """Builds the panel of a payment's refunds; one query."""
    return Panel(
        title="Refunds",
        columns=[Column("Requested"), Column("State"), Column("Reason"), Column("Amount", right=True)],
        rows=[
            (
                link(moment(each.requested_at), change_url("orders_refund", each.pk)),
                state_badge(each.status),
                each.reason,
                amount(each.amount_minor),
            )
            for each in Refund.objects.filter(payment=payment).order_by("requested_at")
        ],
        empty="Nothing was refunded to the card.",
    )


@admin.register(Refund)
class RefundAdmin(ReadOnlyAdmin):
    """The list and page of refunds to cards."""

    list_display = ("when", "order_named", "state", "amount_refunded", "why", "closed")
    list_filter = ("status",)
    search_fields = ("id",)
    search_help_text = "Refund or order id; Stripe's id of the refund"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Refund, Refund]:
        return Refund.objects.annotate(requester_name=name_of("requested_by"))

    def search_filter(self, term: str) -> Q:
        try:
            key = UUID(term)
        except ValueError:
            return Q(stripe_refund_id=term)
        return Q(pk=key) | Q(payment_id=key)

    @admin.display(description="Requested")
    def when(self, refund: Refund) -> Text:
        return moment(refund.requested_at)

    @admin.display(description="Order")
    def order_named(self, refund: Refund) -> Text:
        return order_link(refund.payment_id)

    @admin.display(description="State")
    def state(self, refund: Refund) -> Text:
        return state_badge(refund.status)

    @admin.display(description="Amount")
    def amount_refunded(self, refund: Refund) -> Text:
        return amount(refund.amount_minor)

    @admin.display(description="Reason")
    def why(self, refund: Refund) -> Text:
        return refund.reason

    @admin.display(description="Closed")
    def closed(self, refund: Refund) -> Text:
        return moment(refund.closed_at)

    def facts(self, request: HttpRequest, record: Any) -> Iterable[Fact]:
        yield Fact("State", self.state(record))
        yield Fact("Order", self.order_named(record))
        yield Fact("Amount", self.amount_refunded(record))
        yield Fact("Reason", record.reason)
        yield Fact("Requested by", record.requester_name)
        yield Fact("Requested", self.when(record))
        yield Fact("Closed", self.closed(record))
        yield Fact("At Stripe", code(record.stripe_refund_id))


@admin.register(StripeEvent)
class StripeEventAdmin(ReadOnlyAdmin):
    """The inbox: events from Stripe. An event is stored first, and settled once after that."""

    noun, nouns = "Stripe event", "Stripe events"
    time_field = "received_at"
    list_display = ("when", "kind", "outcome_named", "settled", "occurred")
    search_fields = ("id",)
    search_help_text = "Stripe's id of the event, or its type"

    def get_queryset(self, request: HttpRequest) -> QuerySet[StripeEvent, StripeEvent]:
        return StripeEvent.objects.defer("payload")

    def search_filter(self, term: str) -> Q:
        return Q(pk=term) | Q(type=term)

    @admin.display(description="Received")
    def when(self, event: StripeEvent) -> Text:
        return moment(event.received_at)

    @admin.display(description="Event")
    def kind(self, event: StripeEvent) -> Text:
        return code(event.type)

    @admin.display(description="What was done")
    def outcome_named(self, event: StripeEvent) -> Text:
        return badge(event.outcome.replace("_", " ")) if event.settled_at else badge("waiting", "info")

    @admin.display(description="Settled")
    def settled(self, event: StripeEvent) -> Text:
        return moment(event.settled_at)

    @admin.display(description="Happened")
    def occurred(self, event: StripeEvent) -> Text:
        return moment(event.occurred_at)

    def title_of(self, record: Any) -> str:
        return str(record.type)

    def facts(self, request: HttpRequest, record: Any) -> Iterable[Fact]:
        yield Fact("Event", code(record.type))
        yield Fact("What was done", self.outcome_named(record))
        yield Fact("Happened", self.occurred(record))
        yield Fact("Received", self.when(record))
        yield Fact("Settled", self.settled(record))
        yield Fact("Mirrored", moment(record.mirrored_at))
        yield Fact("Event id", code(record.pk))

    def panels(self, request: HttpRequest, record: Any) -> Iterable[Panel]:
        yield Panel(
            title="Content",
            columns=[Column("Part"), Column("Value")],
            rows=[("payload", pretty(redact(request, record.payload)))],
            empty="",
        )
