"""The worker's jobs: which are unfinished, and which failed and why."""

import json
from collections.abc import Iterable
from typing import Any
from uuid import UUID

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from procrastinate.contrib.django.models import ProcrastinateEvent, ProcrastinateJob

from billing.admin.console.base import ReadOnlyAdmin
from billing.admin.console.display import (
    NOTHING,
    Column,
    Fact,
    Panel,
    Text,
    clipped_code,
    code,
    moment,
    pretty,
    state_badge,
)
from billing.admin.ledger import order_link
from billing.language import say

_MAX_PANEL_ROWS = 50
UNFINISHED = ("todo", "doing")
_EVENTS = {
    "deferred": "Queued",
    "started": "Started",
    "deferred_for_retry": "Queued again",
    "failed": "Failed",
    "succeeded": "Succeeded",
    "cancelled": "Cancelled",
    "abort_requested": "Asked to stop",
    "aborted": "Stopped",
    "scheduled": "Scheduled",
}

# Procrastinate's own page can retry and cancel a job without a reason. Here jobs are only read. That page is already
# registered, because procrastinate stands before this app in INSTALLED_APPS.
admin.site.unregister(ProcrastinateJob)


class StatusFilter(admin.SimpleListFilter):
    """Filters by a job's status. Other words are ignored, because the status column's type refuses them."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("unfinished", "Unfinished"), *((name, name) for name in ProcrastinateJob.STATUSES)]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() == "unfinished":
            return queryset.filter(status__in=UNFINISHED)
        return queryset.filter(status=self.value()) if self.value() in ProcrastinateJob.STATUSES else queryset


def _order_of(job: ProcrastinateJob) -> UUID | None:
    try:
        return UUID(str(job.args.get("order_id")))
    except ValueError:
        return None


@admin.register(ProcrastinateJob)
class JobAdmin(ReadOnlyAdmin):
    """The list and page of jobs."""

    noun, nouns = "job", "jobs"
    list_display = ("number", "task", "state", "attempt", "about", "due")
    list_filter = (StatusFilter,)
    search_fields = ("id",)
    search_help_text = "Number, or name of the task"

    def get_queryset(self, request: HttpRequest) -> QuerySet[ProcrastinateJob, ProcrastinateJob]:
        return ProcrastinateJob.objects.all()

    def search_filter(self, term: str) -> Q:
        if term.isdecimal():
            return Q(pk=int(term[:19]))
        return Q(task_name=term)

    @admin.display(description="Number")
    def number(self, job: ProcrastinateJob) -> Text:
        return str(job.pk)

    @admin.display(description="Task")
    def task(self, job: ProcrastinateJob) -> Text:
        return code(job.task_name)

    @admin.display(description="State")
    def state(self, job: ProcrastinateJob) -> Text:
        return state_badge(job.status)

    @admin.display(description="Attempts")
    def attempt(self, job: ProcrastinateJob) -> Text:
        return str(job.attempts)

    @admin.display(description="With")
    def about(self, job: ProcrastinateJob) -> Text:
        order = _order_of(job)
        if order:
            return format_html(say("order {}"), order_link(order))
        return clipped_code(json.dumps(job.args)) if job.args else NOTHING

    @admin.display(description="Not before")
    def due(self, job: ProcrastinateJob) -> Text:
        return moment(job.scheduled_at)

    def title_of(self, record: Any) -> str:
        return say("Job %(number)s", number=record.pk)

    def facts(self, request: HttpRequest, record: Any) -> Iterable[Fact]:
        yield Fact("Task", self.task(record))
        yield Fact("State", self.state(record))
        yield Fact("Attempts", str(record.attempts))
        yield Fact("Not before", moment(record.scheduled_at))
        if order := _order_of(record):
            yield Fact("Order", order_link(order))
        yield Fact("Queue", code(record.queue_name))
        yield Fact("Lock", code(record.lock))
        yield Fact("Number", str(record.pk))

    def panels(self, request: HttpRequest, record: Any) -> Iterable[Panel]:
        yield Panel(title="With", columns=[Column("Arguments")], rows=[(pretty(record.args),)], empty="")
        events = ProcrastinateEvent.objects.filter(job_id=record.pk).order_by("-pk")[:_MAX_PANEL_ROWS]
        yield Panel(
            title="What happened",
            columns=[Column("Time"), Column("What")],
            rows=[(moment(event.at), say(_EVENTS.get(event.type, event.type))) for event in events],
            empty="Nothing yet.",
        )
