"""Outgoing events: what they announce to other systems, and whether they were delivered."""

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
    change_url,
    code,
    link,
    moment,
    pretty,
    short_id,
    state_badge,
)
from billing.admin.console.filters import one_of
from billing.admin.ledger import order_link
from orders.models import OutboxEvent

TYPES = ("order.placed", "tenant.created", "tenant.deleted")


class DeliveryFilter(admin.SimpleListFilter):
    """Filters by whether an event was delivered."""

    title = "delivery"
    parameter_name = "delivery"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("pending", "Pending"), ("delivered", "Delivered")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() in ("pending", "delivered"):
            return queryset.filter(delivered_at__isnull=self.value() == "pending")
        return queryset


@admin.register(OutboxEvent)
class EventAdmin(ReadOnlyAdmin):
    """The list and page of outgoing events."""

    noun, nouns = "event", "events"
    list_display = ("when", "kind", "topic", "tenant", "order", "state", "delivered")
    list_filter = (one_of("type", TYPES), DeliveryFilter)
    narrow_by = {"tenant_id": "organization", "order_id": "order"}
    search_fields = ("id",)
    search_help_text = "Event, order or organization id"

    def get_queryset(self, request: HttpRequest) -> QuerySet[OutboxEvent, OutboxEvent]:
        return OutboxEvent.objects.all()

    def search_filter(self, term: str) -> Q:
        try:
            key = UUID(term)
        except ValueError:
            return Q(type=term)
        return Q(pk=key) | Q(order_id=key) | Q(tenant_id=key)

    @admin.display(description="Time (UTC)")
    def when(self, event: OutboxEvent) -> Text:
        return moment(event.created_at)

    @admin.display(description="Event")
    def kind(self, event: OutboxEvent) -> Text:
        return event.type

    @admin.display(description="Topic")
    def topic(self, event: OutboxEvent) -> Text:
        return event.topic

    @admin.display(description="Organization")
    def tenant(self, event: OutboxEvent) -> Text:
        if event.tenant_id is None:
            return NOTHING
        return link(short_id(event.tenant_id), change_url("billing_organization", event.tenant_id))

    @admin.display(description="Order")
    def order(self, event: OutboxEvent) -> Text:
        return order_link(event.order_id)

    @admin.display(description="State")
    def state(self, event: OutboxEvent) -> Text:
        return state_badge("delivered" if event.delivered_at else "pending")

    @admin.display(description="Delivered (UTC)")
    def delivered(self, event: OutboxEvent) -> Text:
        return moment(event.delivered_at)

    def facts(self, request: HttpRequest, record: Any) -> Iterable[Fact]:
        yield Fact("Event", record.type)
        yield Fact("State", self.state(record))
        yield Fact("Topic", record.topic)
        yield Fact("Source", record.source)
        yield Fact("Organization", self.tenant(record))
        yield Fact("Order", order_link(record.order_id))
        yield Fact("Recorded (UTC)", moment(record.created_at))
        yield Fact("Delivered (UTC)", moment(record.delivered_at))
        yield Fact("Event id", code(record.pk))

    def panels(self, request: HttpRequest, record: Any) -> Iterable[Panel]:
        rows = [("data", pretty(record.data))]
        if record.metadata:
            rows.append(("metadata", pretty(record.metadata)))
        yield Panel(title="Content", columns=[Column("Part"), Column("Value")], rows=rows, empty="")
