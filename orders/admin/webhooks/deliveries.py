"""The log of what was sent to subscribers' endpoints, and how staff send or close what failed."""

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from billing.admin.audit import history_panel
from billing.admin.console.acts import confirm_act, find_for_act
from billing.admin.console.base import ReadOnlyAdmin, View
from billing.admin.console.display import (
    Column,
    Fact,
    Panel,
    Text,
    Tool,
    change_url,
    clipped,
    code,
    link,
    moment,
)
from billing.admin.console.request_actor import actor_of
from billing.admin.console.submission import Done
from billing.local_time import read_instant
from orders.admin.event_types import event_type
from orders.locks import lock_webhook_endpoint
from orders.models import WebhookDelivery
from orders.use_cases.webhooks.close_failed import close_failed
from orders.use_cases.webhooks.resend_failed import resend_failed

from .endpoints import delivery_state, last_answer

_PERMISSION = "orders.change_webhookdelivery"


class StateFilter(admin.SimpleListFilter):
    """Filters by whether a delivery was accepted, has failed, or is closed."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("pending", "Pending"), ("delivered", "Delivered"), ("failed", "Failed"), ("closed", "Closed")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() in ("failed", "closed"):
            failed = queryset.filter(status=WebhookDelivery.Status.FAILED)
            return failed.filter(closed_at__isnull=self.value() == "failed")
        if self.value() in ("pending", "delivered"):
            return queryset.filter(status=self.value())
        return queryset


@admin.register(WebhookDelivery)
class WebhookDeliveryAdmin(ReadOnlyAdmin):
    """The list and page of deliveries."""

    noun, nouns = "webhook delivery", "webhook deliveries"
    list_display = ("when", "kind", "to", "state", "attempt", "answer")
    list_filter = (StateFilter,)
    narrow_by = {"endpoint_id": "webhook", "event_id": "event"}
    time_field = "created_at"
    search_fields = ("id",)
    search_help_text = "Event or delivery id"

    def get_queryset(self, request: HttpRequest) -> QuerySet[WebhookDelivery, WebhookDelivery]:
        return WebhookDelivery.objects.select_related("endpoint", "event")

    def search_filter(self, term: str) -> Q:
        try:
            key = UUID(term)
        except ValueError:
            return Q(pk=None)
        return Q(pk=key) | Q(event_id=key)

    @admin.display(description="Recorded")
    def when(self, delivery: WebhookDelivery) -> Text:
        return moment(delivery.created_at)

    @admin.display(description="Event")
    def kind(self, delivery: WebhookDelivery) -> Text:
        return event_type(delivery.event.type)

    @admin.display(description="To")
    def to(self, delivery: WebhookDelivery) -> Text:
        return clipped(delivery.endpoint.url)

    @admin.display(description="State")
    def state(self, delivery: WebhookDelivery) -> Text:
        return delivery_state(delivery)

    @admin.display(description="Attempts")
    def attempt(self, delivery: WebhookDelivery) -> Text:
        return str(delivery.attempts)

    @admin.display(description="Last answer")
    def answer(self, delivery: WebhookDelivery) -> Text:
        return last_answer(delivery)

    def facts(self, request: HttpRequest, record: Any) -> Iterable[Fact]:
        yield Fact("State", self.state(record))
        event = link(code(record.event.type), change_url("orders_outboxevent", record.event_id))
        yield Fact("Event", event)
        yield Fact("To", link(record.endpoint.url, change_url("orders_webhookendpoint", record.endpoint_id)))
        yield Fact("Recorded", moment(record.created_at))
        yield Fact("Delivered", moment(record.delivered_at))
        yield Fact("Attempts", str(record.attempts))
        if record.status == WebhookDelivery.Status.PENDING:
            yield Fact("Next attempt, at the earliest", moment(record.next_attempt_at))
        if record.closed_at:
            yield Fact("Closed", moment(record.closed_at))
        yield Fact("Message id", code(record.event_id))

    def tools(self, request: HttpRequest, record: Any) -> Iterable[Tool]:
        if record.status == WebhookDelivery.Status.FAILED and request.user.has_perm(_PERMISSION):
            yield Tool("Send again", reverse("admin:orders_webhookdelivery_resend", args=[record.pk]))
            if record.closed_at is None:
                yield Tool("Close", reverse("admin:orders_webhookdelivery_close", args=[record.pk]))

    def panels(self, request: HttpRequest, record: Any) -> Iterable[Panel]:
        yield Panel(
            title="Attempts",
            columns=[Column("Time"), Column("Status"), Column("Error"), Column("Milliseconds", right=True)],
            rows=[
                (
                    moment(read_instant(each["at"])),
                    str(each["status"] or ""),
                    each["error"],
                    str(each["milliseconds"]),
                )
                for each in reversed(record.log)
            ],
            empty="None yet.",
        )
        yield history_panel(object_type="webhookdelivery", object_id=str(record.pk))

    def extra_views(self) -> Sequence[tuple[str, str, View]]:
        return [
            ("<uuid:delivery_id>/resend/", "resend", self.resend_view),
            ("<uuid:delivery_id>/close/", "close", self.close_view),
        ]

    def resend_view(self, request: HttpRequest, delivery_id: UUID) -> HttpResponse:
        """Asks for the reason, and sends a failed delivery again."""
        delivery = find_for_act(self, request, delivery_id, permission=_PERMISSION)

        def resend(reason: str) -> Done:
            resend_failed(
                endpoint_id=delivery.endpoint_id, delivery_id=delivery.pk, by=actor_of(request), reason=reason
            )
            return Done("The event is sent again within a minute.", change_url(self.model_label, delivery.pk))

        return confirm_act(
            self,
            request,
            delivery,
            name="resend",
            title="Send again",
            submit="Send this event again",
            seen=_state(delivery),
            lock_state=lambda: _lock_state(delivery),
            effect=resend,
            facts=[Fact("Event", event_type(delivery.event.type)), Fact("To", delivery.endpoint.url)],
            warning="Send it again after the subscriber has mended the cause. It gets all its attempts again.",
        )

    def close_view(self, request: HttpRequest, delivery_id: UUID) -> HttpResponse:
        """Asks for the reason, and closes a failed delivery."""
        delivery = find_for_act(self, request, delivery_id, permission=_PERMISSION)

        def close(reason: str) -> Done:
            close_failed(
                endpoint_id=delivery.endpoint_id, delivery_id=delivery.pk, by=actor_of(request), reason=reason
            )
            return Done("The delivery is closed.", change_url(self.model_label, delivery.pk))

        return confirm_act(
            self,
            request,
            delivery,
            name="close",
            title="Close",
            submit="Close this delivery",
            seen=_state(delivery),
            lock_state=lambda: _lock_state(delivery),
            effect=close,
            facts=[Fact("Event", event_type(delivery.event.type)), Fact("To", delivery.endpoint.url)],
            warning="A closed delivery is not sent, and no longer counts as failed. The subscriber never gets it.",
        )


def _state(delivery: WebhookDelivery) -> tuple[object, ...]:
    return (delivery.status, delivery.closed_at)


def _lock_state(delivery: WebhookDelivery) -> tuple[object, ...]:
    # Its state changes only under the endpoint's lock.
    lock_webhook_endpoint(endpoint_id=delivery.endpoint_id)
    return _state(WebhookDelivery.objects.get(pk=delivery.pk))
