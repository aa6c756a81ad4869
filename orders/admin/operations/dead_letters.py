"""Events of other systems that were set aside: why, and how to apply one after all, or close it."""

import json
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
    badge,
    change_url,
    clipped,
    code,
    moment,
    pretty,
)
from billing.admin.console.request_actor import actor_of
from billing.admin.console.submission import Done
from billing.language import say, say_known
from orders.locks import lock_dead_letter
from orders.models import DeadLetter
from orders.use_cases.events.apply_dead_letter import request_application
from orders.use_cases.events.close_undelivered import close_dead_letter
from orders.use_cases.events.receive_events import INVALID_REPORT

_PERMISSION = "orders.change_deadletter"


class AppliedFilter(admin.SimpleListFilter):
    """Filters by whether an event was applied after all, or closed."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("open", "Set aside"), ("applied", "Applied"), ("closed", "Closed")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() == "open":
            return queryset.filter(applied_at=None, closed_at=None)
        if self.value() in ("applied", "closed"):
            return queryset.filter(**{f"{self.value()}_at__isnull": False})
        return queryset


@admin.register(DeadLetter)
class DeadLetterAdmin(ReadOnlyAdmin):
    """The list and page of events that were set aside."""

    noun, nouns = "event set aside", "events set aside"
    list_display = ("when", "topic", "why", "state")
    list_filter = (AppliedFilter,)
    time_field = "created_at"
    search_fields = ("id",)
    search_help_text = "Topic or id"

    def search_filter(self, term: str) -> Q:
        try:
            return Q(pk=UUID(term))
        except ValueError:
            return Q(topic=term)

    @admin.display(description="Set aside")
    def when(self, letter: DeadLetter) -> Text:
        return moment(letter.created_at)

    @admin.display(description="Topic")
    def topic(self, letter: DeadLetter) -> Text:
        return code(letter.topic)

    @admin.display(description="Reason")
    def why(self, letter: DeadLetter) -> Text:
        return clipped(_say_reason(letter.reason))

    @admin.display(description="State")
    def state(self, letter: DeadLetter) -> Text:
        if letter.applied_at:
            return badge("applied", "good")
        return badge("closed") if letter.closed_at else badge("set aside", "bad")

    def facts(self, request: HttpRequest, record: Any) -> Iterable[Fact]:
        yield Fact("State", self.state(record))
        yield Fact("Topic", code(record.topic))
        yield Fact("Reason", _say_reason(record.reason))
        yield Fact("Set aside", moment(record.created_at))
        yield Fact("Applied", moment(record.applied_at))
        yield Fact("Closed", moment(record.closed_at))
        yield Fact("Message", code(record.key))

    def tools(self, request: HttpRequest, record: Any) -> Iterable[Tool]:
        if record.applied_at is None and request.user.has_perm(_PERMISSION):
            yield Tool("Apply again", reverse("admin:orders_deadletter_apply", args=[record.pk]))
            if record.closed_at is None:
                yield Tool("Close", reverse("admin:orders_deadletter_close", args=[record.pk]))

    def panels(self, request: HttpRequest, record: Any) -> Iterable[Panel]:
        yield Panel(title="Content", columns=[Column("Body")], rows=[(_body(record),)], empty="")
        yield history_panel(object_type="deadletter", object_id=str(record.pk))

    def extra_views(self) -> Sequence[tuple[str, str, View]]:
        return [
            ("<uuid:letter_id>/apply/", "apply", self.apply_view),
            ("<uuid:letter_id>/close/", "close", self.close_view),
        ]

    def apply_view(self, request: HttpRequest, letter_id: UUID) -> HttpResponse:
        """Asks for the reason, and lets the worker apply the event again."""
        letter = find_for_act(self, request, letter_id, permission=_PERMISSION)

        def apply(reason: str) -> Done:
            request_application(dead_letter_id=letter.pk, by=actor_of(request), reason=reason)
            text = "The worker applies the event in a few seconds. If it is refused again, the reason is shown here."
            return Done(text, change_url(self.model_label, letter.pk))

        return confirm_act(
            self,
            request,
            letter,
            name="apply",
            title="Apply again",
            submit="Apply this event again",
            seen=_state(letter),
            lock_state=lambda: _state(lock_dead_letter(dead_letter_id=letter.pk)),
            effect=apply,
            facts=[Fact("Topic", code(letter.topic)), Fact("Reason", _say_reason(letter.reason))],
            warning="Apply it after its cause was mended here. An event with a mistake of its own is refused again.",
        )

    def close_view(self, request: HttpRequest, letter_id: UUID) -> HttpResponse:
        """Asks for the reason, and closes the event."""
        letter = find_for_act(self, request, letter_id, permission=_PERMISSION)

        def close(reason: str) -> Done:
            close_dead_letter(dead_letter_id=letter.pk, by=actor_of(request), reason=reason)
            return Done("The event is closed.", change_url(self.model_label, letter.pk))

        return confirm_act(
            self,
            request,
            letter,
            name="close",
            title="Close",
            submit="Close this event",
            seen=_state(letter),
            lock_state=lambda: _state(lock_dead_letter(dead_letter_id=letter.pk)),
            effect=close,
            facts=[Fact("Topic", code(letter.topic)), Fact("Reason", _say_reason(letter.reason))],
            warning="A closed event is not applied, and no longer counts as set aside.",
        )


def _state(letter: DeadLetter) -> tuple[object, ...]:
    return (letter.reason, letter.applied_at, letter.closed_at)


def _say_reason(reason: str) -> str:
    """Returns why an event was set aside in the reader's language; the problems of a report as they were found."""
    if reason.startswith(INVALID_REPORT):
        return say("the report is not valid: %(problem)s", problem=reason.removeprefix(INVALID_REPORT))
    return say_known(reason)


def _body(letter: DeadLetter) -> Text:
    text = bytes(letter.body).decode(errors="replace")
    try:
        return pretty(json.loads(text))
    except (ValueError, RecursionError):
        return clipped(text[:2000])
