"""Subscriptions and invoices, and the open payment of an unpaid month."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.urls import reverse

from billing.admin.console.base import ReadOnlyAdmin
from billing.admin.console.display import (
    NOTHING,
    Column,
    Fact,
    Panel,
    Text,
    Tool,
    amount,
    change_url,
    code,
    link,
    list_url,
    moment,
    outward_link,
    short_id,
    short_stripe_id,
    state_badge,
    two_lines,
    unbroken,
)
from billing.admin.ledger import customer_link, keys_of_customers, order_link
from billing.language import say
from billing.local_time import local_day
from billing.models import Invoice, Subscription
from billing.models.organizations.subscription import ENDED_STATUSES
from orders.admin.organizations import keys_of_organizations, organization_link
from orders.admin.payments import waiting_panel
from orders.models import OrderLine
from orders.queries.orders import end_of_grace, open_payment_of, open_payments

_MAX_PANEL_ROWS = 20


def _parse_key(term: str) -> UUID | None:
    try:
        return UUID(term)
    except ValueError:
        return None


class OfOrganizationAdmin(ReadOnlyAdmin):
    """The columns and the search that the lists of subscriptions and of invoices share."""

    list_select_related = ("customer", "organization")
    narrow_by = {"customer__user_id": "customer", "organization__slug": "organization"}
    search_fields = ("id",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any, Any]:
        return super().get_queryset(request).select_related("customer", "organization")

    def search_filter(self, term: str) -> Q:
        of_organization = Q(organization__in=keys_of_organizations(term.lower()))
        found = of_organization | Q(customer__in=keys_of_customers(term))
        key = _parse_key(term)
        return found | Q(pk=key) | Q(order_id=key) if key else found

    @admin.display(description="Organization")
    def organization_named(self, record: Subscription | Invoice) -> Text:
        return organization_link(record.organization)

    @admin.display(description="Customer")
    def customer_named(self, record: Subscription | Invoice) -> Text:
        return customer_link(record.customer)

    @admin.display(description="State")
    def state(self, record: Subscription | Invoice) -> Text:
        return state_badge(record.status)

    @admin.display(description="Order")
    def order(self, record: Subscription | Invoice) -> Text:
        return order_link(record.order_id)


@admin.register(Subscription)
class SubscriptionAdmin(OfOrganizationAdmin):
    """The list and page of subscriptions."""

    list_display = (
        "when",
        "whose",
        "state",
        "monthly_amount",
        "paid",
        "until",
        "order",
    )
    list_filter = ("status", "paid_by")
    search_help_text = "Organization's address; customer's e-mail or user id; subscription or order id"

    @admin.display(description="Since")
    def when(self, subscription: Subscription) -> Text:
        return moment(subscription.created_at)

    @admin.display(description="Customer")
    def whose(self, subscription: Subscription) -> Text:
        return two_lines(self.customer_named(subscription), self.organization_named(subscription))

    @admin.display(description="Per month")
    def monthly_amount(self, subscription: Subscription) -> Text:
        return amount(subscription.amount_minor)

    @admin.display(description="Paid by")
    def paid(self, subscription: Subscription) -> Text:
        return say(subscription.paid_by)

    @admin.display(description="Paid until")
    def until(self, subscription: Subscription) -> Text:
        return moment(subscription.current_period_end)

    def facts(self, request: HttpRequest, record: Any) -> Iterable[Fact]:
        yield Fact("State", self.state(record))
        yield Fact("Organization", self.organization_named(record))
        yield Fact("Customer", self.customer_named(record))
        lines = OrderLine.objects.filter(order=record.order_id).order_by("position")
        yield Fact("Plan and add-ons", say(", ").join(lines.values_list("name", flat=True)) or NOTHING)
        yield Fact("Per month", amount(record.amount_minor))
        yield Fact("Paid by", say(record.paid_by))
        yield Fact("Period from", moment(record.current_period_start))
        yield Fact("Period until", moment(record.current_period_end))
        if record.cancel_at_period_end and record.status not in ENDED_STATUSES:
            yield Fact("Cancelled by its owner", "ends with the period")
        if record.past_due_since:
            yield Fact("Past due since", moment(record.past_due_since))
        if ends := end_of_grace(record):
            yield Fact("Ends unless paid by", moment(ends))
        if record.canceled_at:
            yield Fact("Cancelled", moment(record.canceled_at))
        yield Fact("Order", order_link(record.order_id))
        if record.stripe_subscription_id:
            at_stripe = change_url("djstripe_subscription", record.stripe_subscription_id)
            yield Fact("At Stripe", link(short_stripe_id(record.stripe_subscription_id), at_stripe))
        yield Fact("Subscription id", code(record.pk))

    def panels(self, request: HttpRequest, record: Any) -> Iterable[Panel]:
        waiting = open_payment_of(organization_id=record.organization_id)
        if waiting is not None:
            yield waiting_panel(request, waiting)
        elif record.status == Subscription.Status.PAST_DUE:
            yield _unpaid_panel(record)
        invoices = Invoice.objects.filter(subscription=record).order_by("-period_start", "-pk")[:_MAX_PANEL_ROWS]
        yield Panel(
            title="Invoices",
            columns=[Column("Month"), Column("State"), Column("Order"), Column("Amount", right=True)],
            rows=[
                (
                    link(_period(each), change_url("billing_invoice", each.pk)),
                    state_badge(each.status),
                    order_link(each.order_id),
                    amount(each.amount_minor),
                )
                for each in invoices
            ],
            empty="This subscription has no invoices.",
        )

    def links(self, record: Any) -> Iterable[Tool]:
        yield Tool("Orders", list_url("orders_order", organization__slug=record.organization.slug))


def _unpaid_panel(subscription: Subscription) -> Panel:
    """Builds the panel of a due month without an open payment."""
    if subscription.paid_by == Subscription.PaidBy.STRIPE:
        note = "Stripe retries the card automatically, and has written to the customer."
    else:
        note = "No payment page is open now. If credit covers the month, it is paid; else a new payment page follows."
    return Panel(title="Not paid", facts=[Fact("Due", amount(subscription.amount_minor))], notes=[note])


def _period(invoice: Invoice) -> Text:
    return unbroken(
        say("%(first)s to %(last)s", first=local_day(invoice.period_start), last=local_day(invoice.period_end))
    )


@admin.register(Invoice)
class InvoiceAdmin(OfOrganizationAdmin):
    """The list and page of invoices."""

    list_display = ("when", "organization_named", "customer_named", "state", "billed_amount", "period", "order")
    list_filter = ("status",)
    search_help_text = "Organization's address; customer's e-mail or user id; invoice or order id"

    @admin.display(description="Time")
    def when(self, invoice: Invoice) -> Text:
        return moment(invoice.created_at)

    @admin.display(description="Amount")
    def billed_amount(self, invoice: Invoice) -> Text:
        return amount(invoice.amount_minor)

    @admin.display(description="Period")
    def period(self, invoice: Invoice) -> Text:
        return _period(invoice)

    def facts(self, request: HttpRequest, record: Any) -> Iterable[Fact]:
        yield Fact("State", self.state(record))
        yield Fact("Amount", amount(record.amount_minor))
        yield Fact("Organization", self.organization_named(record))
        yield Fact("Customer", self.customer_named(record))
        yield Fact("Period", self.period(record))
        yield Fact("Time", moment(record.created_at))
        yield Fact("Order", order_link(record.order_id))
        url = change_url("billing_subscription", record.subscription_id)
        yield Fact("Subscription", link(short_id(record.subscription_id), url))
        yield Fact("PDF", outward_link("Open", record.pdf_url))
        yield Fact("Invoice id", code(record.pk))

    def links(self, record: Any) -> Iterable[Tool]:
        yield Tool("Explain what paid it", f"{reverse('admin:billing_ledgerentry_explain')}?invoice={record.pk}")

    def panels(self, request: HttpRequest, record: Any) -> Iterable[Panel]:
        if record.status == Invoice.Status.OPEN and record.order_id:
            for waiting in open_payments().filter(order=record.order_id):
                yield waiting_panel(request, waiting)
