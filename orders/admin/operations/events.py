"""Outgoing events: what they announce to other systems, and whether they were delivered."""

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from billing.admin.console.acts import confirm_act, find_for_act
from billing.admin.console.base import ReadOnlyAdmin, View
from billing.admin.console.display import (
    NOTHING,
    Column,
    Fact,
    Panel,
    Text,
    Tool,
    badge,
    change_url,
    code,
    link,
    moment,
    pretty,
    short_id,
    state_badge,
)
from billing.admin.console.filters import one_of
from billing.admin.console.request_actor import actor_of
from billing.admin.console.submission import Done
from billing.admin.ledger import order_link
from orders.admin.event_types import event_type, event_words
from orders.locks import lock_event
from orders.models import Order, OutboxEvent
from orders.use_cases.events.close_undelivered import close_event
from orders.use_cases.events.resend_event import resend_event
from orders.use_cases.webhooks.keep_endpoints import EVENT_TYPES


class DeliveryFilter(admin.SimpleListFilter):
    """Filters by whether an event was delivered."""

    title = "delivery"
    parameter_name = "delivery"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("pending", "Pending"), ("delivered", "Delivered"), ("refused", "Refused"), ("closed", "Closed")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() == "refused":
            return queryset.filter(refused_at__isnull=False, closed_at=None)
        if self.value() == "closed":
            return queryset.filter(refused_at__isnull=False, closed_at__isnull=False)
        if self.value() in ("pending", "delivered"):
            return queryset.filter(delivered_at__isnull=self.value() == "pending", refused_at=None)
        return queryset


@admin.register(OutboxEvent)
class EventAdmin(ReadOnlyAdmin):
    """The list and page of outgoing events."""

    noun, nouns = "event", "events"
    list_display = ("when", "kind", "topic", "tenant", "order", "state", "delivered")
    list_filter = (one_of("type", EVENT_TYPES, event_words), DeliveryFilter)
    search_fields = ("id",)
    search_help_text = "Event, order or organization id"

    def get_queryset(self, request: HttpRequest) -> QuerySet[OutboxEvent, OutboxEvent]:
        return OutboxEvent.objects.all()

    def search_filter(self, term: str) -> Q:
        try:
            key = UUID(term)
        except ValueError:
            return Q(pk__in=[])
        # Indexes find the announcement of an order by its order, and the other events by their organization.
        announcement = Q(type="order.placed")
        orders = Order.objects.filter(organization_id=key).values_list("pk", flat=True)
        tenants = Order.objects.filter(pk=key).values_list("organization_id", flat=True)
        found = Q(pk=key) | announcement & Q(order_id__in=[key, *orders])
        return found | ~announcement & Q(tenant_id__in=[key, *tenants]) & (Q(tenant_id=key) | Q(order_id=key))

    @admin.display(description="Time")
    def when(self, event: OutboxEvent) -> Text:
        return moment(event.created_at)

    @admin.display(description="Event")
    def kind(self, event: OutboxEvent) -> Text:
        return event_type(event.type)

    @admin.display(description="Topic")
    def topic(self, event: OutboxEvent) -> Text:
        return code(event.topic)

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
        if event.refused_at:
            return badge("closed") if event.closed_at else badge("refused", "bad")
        return state_badge("delivered" if event.delivered_at else "pending")

    @admin.display(description="Delivered")
    def delivered(self, event: OutboxEvent) -> Text:
        return moment(event.delivered_at)

    def facts(self, request: HttpRequest, record: Any) -> Iterable[Fact]:
        yield Fact("Event", event_type(record.type))
        yield Fact("State", self.state(record))
        yield Fact("Topic", code(record.topic))
        yield Fact("Source", code(record.source))
        yield Fact("Organization", self.tenant(record))
        yield Fact("Order", order_link(record.order_id))
        yield Fact("Recorded", moment(record.created_at))
        yield Fact("Delivered", moment(record.delivered_at))
        if record.refused_at:
            yield Fact("Refused", moment(record.refused_at))
            yield Fact("The broker's reason", record.refusal)
        if record.closed_at:
            yield Fact("Closed", moment(record.closed_at))
        yield Fact("Event id", code(record.pk))

    def tools(self, request: HttpRequest, record: Any) -> Iterable[Tool]:
        if record.refused_at and request.user.has_perm("orders.change_outboxevent"):
            yield Tool("Send again", reverse("admin:orders_outboxevent_resend", args=[record.pk]))
            if record.closed_at is None:
                yield Tool("Close", reverse("admin:orders_outboxevent_close", args=[record.pk]))

    def extra_views(self) -> Sequence[tuple[str, str, View]]:
        return [
            ("<uuid:event_id>/resend/", "resend", self.resend_view),
            ("<uuid:event_id>/close/", "close", self.close_view),
        ]

    def resend_view(self, request: HttpRequest, event_id: UUID) -> HttpResponse:
        """Asks for the reason, and lets a refused event be delivered again."""
        event = find_for_act(self, request, event_id, permission="orders.change_outboxevent")

        def resend(reason: str) -> Done:
            resend_event(event_id=event.pk, why=reason, by=actor_of(request))
            return Done("The event is sent again within a minute.", change_url(self.model_label, event.pk))

        return confirm_act(
            self,
            request,
            event,
            name="resend",
            title="Send again",
            submit="Send this event again",
            seen=_state(event),
            lock_state=lambda: _state(lock_event(event_id=event.pk)),
            effect=resend,
            facts=[Fact("Event", event_type(event.type)), Fact("The broker's reason", event.refusal)],
            warning="Send an event again after the broker's limits or its stream were changed. It is delivered before"
            " all newer events.",
        )

    def close_view(self, request: HttpRequest, event_id: UUID) -> HttpResponse:
        """Asks for the reason, and closes a refused event."""
        event = find_for_act(self, request, event_id, permission="orders.change_outboxevent")

        def close(reason: str) -> Done:
            close_event(event_id=event.pk, by=actor_of(request), reason=reason)
            return Done("The event is closed.", change_url(self.model_label, event.pk))

        return confirm_act(
            self,
            request,
            event,
            name="close",
            title="Close",
            submit="Close this event",
            seen=_state(event),
            lock_state=lambda: _state(lock_event(event_id=event.pk)),
            effect=close,
            facts=[Fact("Event", event_type(event.type)), Fact("The broker's reason", event.refusal)],
            warning="A closed event is not sent, and no longer counts as refused. Other systems never get it.",
        )

    def panels(self, request: HttpRequest, record: Any) -> Iterable[Panel]:
        rows = [(code("data"), pretty(record.data))]
        if record.metadata:
            rows.append((code("metadata"), pretty(record.metadata)))
        yield Panel(title="Content", columns=[Column("Part"), Column("Value")], rows=rows, empty="")


def _state(event: OutboxEvent) -> tuple[object, ...]:
    return (event.refused_at, event.closed_at)
