"""Organizations, subscriptions and invoices, as orders made them."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest

from billing.models import Invoice, Organization, Subscription

from .base import ReadOnlyAdmin
from .display import (
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
    short_id,
    state_badge,
)
from .ledger import customer_link, customers_like, order_link

_SHOWN = 20


def organization_link(organization: Organization) -> Text:
    """The organization, leading to its page."""
    return link(organization.slug, change_url("billing_organization", organization.pk))


def _key(term: str) -> UUID | None:
    try:
        return UUID(term)
    except ValueError:
        return None


@admin.register(Organization)
class OrganizationAdmin(ReadOnlyAdmin):
    """Tenants. They come and go by orders and by their owners."""

    list_display = ("named", "title", "customer_named", "state", "since")
    list_filter = ("status",)
    list_select_related = ("customer",)
    narrow_by = {"customer__user_id": "customer"}
    search_fields = ("slug",)
    search_help_text = "Address, name, id; customer's e-mail or user id"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Organization, Organization]:
        return Organization.objects.select_related("customer")

    def found_by(self, term: str) -> Q:
        found = Q(slug__startswith=term.lower()) | Q(name__icontains=term) | Q(customer__in=customers_like(term))
        key = _key(term)
        return found | Q(pk=key) if key else found

    @admin.display(description="Address")
    def named(self, organization: Organization) -> Text:
        return organization.slug

    @admin.display(description="Name")
    def title(self, organization: Organization) -> Text:
        return organization.name

    @admin.display(description="Customer")
    def customer_named(self, organization: Organization) -> Text:
        return customer_link(organization.customer)

    @admin.display(description="State")
    def state(self, organization: Organization) -> Text:
        return state_badge(organization.status)

    @admin.display(description="Since (UTC)")
    def since(self, organization: Organization) -> Text:
        return moment(organization.created_at)

    def title_of(self, record: Any) -> str:
        return str(record.slug)

    def facts(self, request: HttpRequest, record: Any) -> Iterable[Fact]:
        yield Fact("State", self.state(record))
        yield Fact("Name", record.name)
        yield Fact("Address", record.slug)
        yield Fact("Customer", self.customer_named(record))
        yield Fact("Since (UTC)", moment(record.created_at))
        if record.deleted_at:
            yield Fact("Deleted (UTC)", moment(record.deleted_at))
        yield Fact("Apps", ", ".join(map(str, record.apps)) or NOTHING)
        yield Fact("Add-ons", ", ".join(map(str, record.addons)) or NOTHING)
        yield Fact("Plan id", code(record.plan_id))
        yield Fact("Organization id", code(record.pk))

    def panels(self, request: HttpRequest, record: Any) -> Iterable[Panel]:
        subscriptions = Subscription.objects.filter(organization=record).order_by("-created_at")[:_SHOWN]
        yield Panel(
            title="Subscriptions",
            columns=[
                Column("Since (UTC)"),
                Column("State"),
                Column("Paid until (UTC)"),
                Column("A month", right=True),
            ],
            rows=[
                (
                    link(moment(each.created_at), change_url("billing_subscription", each.pk)),
                    state_badge(each.status),
                    moment(each.current_period_end),
                    amount(each.amount_minor),
                )
                for each in subscriptions
            ],
            empty="It has no subscription.",
        )
        invoices = Invoice.objects.filter(organization=record).order_by("-created_at")[:_SHOWN]
        yield Panel(
            title="Invoices",
            columns=[Column("Time (UTC)"), Column("State"), Column("Amount", right=True)],
            rows=[
                (
                    link(moment(each.created_at), change_url("billing_invoice", each.pk)),
                    state_badge(each.status),
                    amount(each.amount_minor),
                )
                for each in invoices
            ],
            empty="Nothing was billed.",
        )

    def links(self, record: Any) -> Iterable[Tool]:
        yield Tool("Orders", list_url("orders_order", organization__slug=record.slug))


@admin.register(Subscription)
class SubscriptionAdmin(ReadOnlyAdmin):
    """What organizations are subscribed to."""

    list_display = (
        "when",
        "organization_named",
        "customer_named",
        "state",
        "monthly_amount",
        "paid",
        "until",
        "order",
    )
    list_filter = ("status", "paid_by")
    list_select_related = ("customer", "organization")
    narrow_by = {"customer__user_id": "customer", "organization__slug": "organization"}
    search_fields = ("id",)
    search_help_text = "Organization's address; customer's e-mail or user id; subscription or order id"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Subscription, Subscription]:
        return Subscription.objects.select_related("customer", "organization")

    def found_by(self, term: str) -> Q:
        found = Q(organization__slug=term.lower()) | Q(customer__in=customers_like(term))
        key = _key(term)
        return found | Q(pk=key) | Q(order_id=key) if key else found

    @admin.display(description="Since (UTC)")
    def when(self, subscription: Subscription) -> Text:
        return moment(subscription.created_at)

    @admin.display(description="Organization")
    def organization_named(self, subscription: Subscription) -> Text:
        return organization_link(subscription.organization)

    @admin.display(description="Customer")
    def customer_named(self, subscription: Subscription) -> Text:
        return customer_link(subscription.customer)

    @admin.display(description="State")
    def state(self, subscription: Subscription) -> Text:
        return state_badge(subscription.status)

    @admin.display(description="A month")
    def monthly_amount(self, subscription: Subscription) -> Text:
        return amount(subscription.amount_minor)

    @admin.display(description="Paid by")
    def paid(self, subscription: Subscription) -> Text:
        return subscription.paid_by

    @admin.display(description="Paid until (UTC)")
    def until(self, subscription: Subscription) -> Text:
        return moment(subscription.current_period_end)

    @admin.display(description="Order")
    def order(self, subscription: Subscription) -> Text:
        return order_link(subscription.order_id)

    def facts(self, request: HttpRequest, record: Any) -> Iterable[Fact]:
        yield Fact("State", self.state(record))
        yield Fact("Organization", self.organization_named(record))
        yield Fact("Customer", self.customer_named(record))
        yield Fact("A month", amount(record.amount_minor))
        yield Fact("Paid by", record.paid_by)
        yield Fact("Period from (UTC)", moment(record.current_period_start))
        yield Fact("Period until (UTC)", moment(record.current_period_end))
        if record.canceled_at:
            yield Fact("Cancelled (UTC)", moment(record.canceled_at))
        yield Fact("Order", order_link(record.order_id))
        yield Fact("Plan id", code(record.plan_id))
        yield Fact("Subscription id", code(record.pk))


@admin.register(Invoice)
class InvoiceAdmin(ReadOnlyAdmin):
    """What was billed."""

    list_display = ("when", "organization_named", "customer_named", "state", "billed_amount", "period", "order")
    list_filter = ("status",)
    list_select_related = ("customer", "organization")
    narrow_by = {"customer__user_id": "customer", "organization__slug": "organization"}
    search_fields = ("id",)
    search_help_text = "Organization's address; customer's e-mail or user id; invoice or order id"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Invoice, Invoice]:
        return Invoice.objects.select_related("customer", "organization")

    def found_by(self, term: str) -> Q:
        found = Q(organization__slug=term.lower()) | Q(customer__in=customers_like(term))
        key = _key(term)
        return found | Q(pk=key) | Q(order_id=key) if key else found

    @admin.display(description="Time (UTC)")
    def when(self, invoice: Invoice) -> Text:
        return moment(invoice.created_at)

    @admin.display(description="Organization")
    def organization_named(self, invoice: Invoice) -> Text:
        return organization_link(invoice.organization)

    @admin.display(description="Customer")
    def customer_named(self, invoice: Invoice) -> Text:
        return customer_link(invoice.customer)

    @admin.display(description="State")
    def state(self, invoice: Invoice) -> Text:
        return state_badge(invoice.status)

    @admin.display(description="Amount")
    def billed_amount(self, invoice: Invoice) -> Text:
        return amount(invoice.amount_minor)

    @admin.display(description="Period (UTC)")
    def period(self, invoice: Invoice) -> Text:
        return f"{invoice.period_start:%Y-%m-%d} to {invoice.period_end:%Y-%m-%d}"

    @admin.display(description="Order")
    def order(self, invoice: Invoice) -> Text:
        return order_link(invoice.order_id)

    def facts(self, request: HttpRequest, record: Any) -> Iterable[Fact]:
        yield Fact("State", self.state(record))
        yield Fact("Amount", amount(record.amount_minor))
        yield Fact("Organization", self.organization_named(record))
        yield Fact("Customer", self.customer_named(record))
        yield Fact("Period (UTC)", self.period(record))
        yield Fact("Time (UTC)", moment(record.created_at))
        yield Fact("Order", order_link(record.order_id))
        url = change_url("billing_subscription", record.subscription_id)
        yield Fact("Subscription", link(short_id(record.subscription_id), url))
        yield Fact("PDF", link("Open", record.pdf_url) if record.pdf_url else NOTHING)
        yield Fact("Invoice id", code(record.pk))
