"""The pages of organizations, with their subscriptions and invoices."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest

from billing.admin.audit import history_panel
from billing.admin.console.base import ReadOnlyAdmin
from billing.admin.console.display import (
    NOTHING,
    Column,
    Fact,
    Panel,
    Text,
    Tool,
    amount,
    badge,
    change_url,
    code,
    link,
    list_url,
    moment,
    state_badge,
)
from billing.admin.ledger import customer_link, keys_of_customers
from billing.language import say
from billing.models import Invoice, Organization, Subscription
from billing.queries import members_of
from orders.models import AddOn, App, Provision
from orders.queries.items import item_names
from orders.queries.organizations import domains_of, has_words, words_in

_MAX_PANEL_ROWS = 20
_MAX_KEYS = 1_000


def keys_of_organizations(slug: str) -> list[UUID]:
    """Reads the keys of the organizations of an address: of the live one and of deleted ones."""
    return list(Organization.objects.filter(slug=slug).values_list("pk", flat=True))


def organization_link(organization: Organization) -> Text:
    """Links to the organization's page."""
    return link(organization.slug, change_url("billing_organization", organization.pk))


@admin.register(Organization)
class OrganizationAdmin(ReadOnlyAdmin):
    """Organizations (tenants) with their members. Orders and their owners change them, never staff on this page."""

    list_display = ("named", "title", "customer_named", "state", "since")
    list_filter = ("status",)
    list_select_related = ("customer",)
    narrow_by = {"customer__user_id": "customer"}
    search_fields = ("slug",)
    search_help_text = "Beginning of the address; beginnings of words of the name; id; customer's e-mail or user id"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Organization, Organization]:
        return Organization.objects.select_related("customer")

    def search_filter(self, term: str) -> Q:
        found = Q(slug__startswith=term.lower()) | Q(customer__in=keys_of_customers(term))
        if words := words_in(term):
            # The keys are read first, so that PostgreSQL knows how few they are; many are soon found in the list.
            keys = list(Organization.objects.filter(has_words(words)).values_list("pk", flat=True)[: _MAX_KEYS + 1])
            found |= Q(pk__in=keys) if len(keys) <= _MAX_KEYS else has_words(words)
        try:
            return found | Q(pk=UUID(term))
        except ValueError:
            return found

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

    @admin.display(description="Since")
    def since(self, organization: Organization) -> Text:
        return moment(organization.created_at)

    def title_of(self, record: Any) -> str:
        return str(record.slug)

    def facts(self, request: HttpRequest, record: Any) -> Iterable[Fact]:
        yield Fact("State", self.state(record))
        yield Fact("Name", record.name)
        yield Fact("Address", record.slug)
        if record.vat_number:
            yield Fact("VAT number", record.vat_number)
        yield Fact("Customer", self.customer_named(record))
        yield Fact("Since", moment(record.created_at))
        if record.suspended_by_staff:
            yield Fact("Suspended by", "staff: an order of its owner does not make it active again")
        if record.deleted_at:
            yield Fact("Deleted", moment(record.deleted_at))
        yield Fact("Apps", say(", ").join(item_names(App, record.apps)) or NOTHING)
        yield Fact("Add-ons", say(", ").join(item_names(AddOn, record.addons)) or NOTHING)
        newest = Provision.objects.filter(organization=record).order_by("-created_at").first()
        if newest is not None:
            yield Fact("Newest provision", link(newest.status, change_url("orders_provision", newest.pk)))
        yield Fact("Plan id", code(record.plan_id))
        yield Fact("Organization id", code(record.pk))

    def panels(self, request: HttpRequest, record: Any) -> Iterable[Panel]:
        subscriptions = Subscription.objects.filter(organization=record).order_by("-created_at")[:_MAX_PANEL_ROWS]
        yield Panel(
            title="Subscriptions",
            columns=[
                Column("Since"),
                Column("State"),
                Column("Paid until"),
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
            empty="This organization has no subscription.",
        )
        invoices = Invoice.objects.filter(organization=record).order_by("-created_at")[:_MAX_PANEL_ROWS]
        yield Panel(
            title="Invoices",
            columns=[Column("Time"), Column("State"), Column("Amount", right=True)],
            rows=[
                (
                    link(moment(each.created_at), change_url("billing_invoice", each.pk)),
                    state_badge(each.status),
                    amount(each.amount_minor),
                )
                for each in invoices
            ],
            empty="This organization has no invoices.",
        )
        yield Panel(
            title="Domains",
            columns=[Column("Domain"), Column("State"), Column("Added"), Column("Changed")],
            rows=[
                (each.name, state_badge(each.status), moment(each.created_at), moment(each.updated_at))
                for each in domains_of(record)[:_MAX_PANEL_ROWS]
            ],
            empty="This organization has brought no domain.",
        )
        members = members_of(record)
        yield Panel(
            title="Members",
            columns=[Column("E-mail"), Column("User id"), Column("Role"), Column("Since")],
            rows=[
                (
                    each.current_email or NOTHING,
                    code(each.customer.user_id) if each.customer else badge("invited"),
                    say(each.role),
                    moment(each.joined_at),
                )
                for each in members[:_MAX_PANEL_ROWS]
            ],
            notes=[say("%(number)s in all.", number=len(members))] if len(members) > _MAX_PANEL_ROWS else [],
        )
        if request.user.has_perm("billing.view_auditentry"):
            yield history_panel(object_type="organization", object_id=str(record.pk))

    def links(self, record: Any) -> Iterable[Tool]:
        yield Tool("Orders", list_url("orders_order", organization__slug=record.slug))
