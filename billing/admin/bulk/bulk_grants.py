"""The pages of bulk grants: upload a list, check it, start it, follow it, undo it."""

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from itertools import chain
from typing import Any
from uuid import UUID

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Count, Q, QuerySet, Sum
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.urls import reverse
from django.utils.html import format_html

from billing.admin.audit import history_panel
from billing.admin.console.acts import confirm_act, find_for_act
from billing.admin.console.base import RecordAdmin, View
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
    clipped,
    day,
    list_url,
    moment,
    use_bar,
)
from billing.admin.console.filters import one_of
from billing.admin.console.pages import form_page
from billing.admin.console.people import name_of
from billing.admin.console.proposed import done_or_proposed
from billing.admin.console.request_actor import actor_of
from billing.admin.console.submission import Done, Submission
from billing.language import say
from billing.models import BulkGrant, BulkGrantRow
from billing.use_cases.bulk.csv_rows import write_lines
from billing.use_cases.bulk.draft_bulk_grant import (
    discard_bulk_grant,
    draft_bulk_grant,
    lock_bulk_grant,
    preview_draft,
)
from billing.use_cases.bulk.propose_bulk_grant import start_or_propose
from billing.use_cases.bulk.start_bulk_grant import undo_bulk_grant

from .bulk_grant_forms import BulkGrantForm

_CHANGE = "billing.change_bulkgrant"
_MAX_PANEL_ROWS = 50
Status, RowStatus = BulkGrant.Status, BulkGrantRow.Status
_COLOURS = {Status.RUNNING: "info", Status.DONE: "good", Status.UNDOING: "warn", Status.UNDONE: "warn"}
_TOOLS = {
    Status.DRAFT: (("start", "Start", "primary"), ("discard", "Discard", "danger")),
    Status.DONE: (("undo", "Undo", "danger"),),
}
_RESULTS = {
    RowStatus.PENDING: "Not granted yet",
    RowStatus.GRANTED: "Granted",
    RowStatus.SKIPPED: "Skipped",
    RowStatus.UNDONE: "Taken back",
    RowStatus.KEPT: "Not taken back",
}


@admin.register(BulkGrant)
class BulkGrantAdmin(RecordAdmin):
    """Bulk grants, the newest first."""

    noun, nouns, add_title = "bulk grant", "bulk grants", "Grant credit to a list"
    audit_name = "bulk_grant"
    list_display = ("named", "state", "customers", "total", "bar", "drafted", "why")
    list_filter = (one_of("status", Status.values),)
    search_fields = ("name",)
    search_help_text = "Name, or the user id of a customer"
    ordering = ("-created_at", "-id")
    sortable_by = ()
    actions = None

    def get_queryset(self, request: HttpRequest) -> QuerySet[BulkGrant, BulkGrant]:
        return BulkGrant.objects.annotate(drafter_name=name_of("drafted_by"))

    def search_filter(self, term: str) -> Q:
        rows = BulkGrantRow.objects.filter(user_id=term).values("bulk_grant_id")
        return Q(name__icontains=term) | Q(pk__in=rows)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        # A bulk grant is changed by its acts alone.
        return False

    @admin.display(description="Name")
    def named(self, record: BulkGrant) -> Text:
        return record.name

    @admin.display(description="State")
    def state(self, record: BulkGrant) -> Text:
        return badge(record.status, _COLOURS.get(Status(record.status), "plain"))

    @admin.display(description="Customers")
    def customers(self, record: BulkGrant) -> Text:
        return f"{record.rows:,}"

    @admin.display(description="Credit in all")
    def total(self, record: BulkGrant) -> Text:
        return amount(record.total_minor)

    @admin.display(description="Progress")
    def bar(self, record: BulkGrant) -> Text:
        if record.status in (Status.DRAFT, Status.DISCARDED):
            return NOTHING
        done = say("%(part)s of %(whole)s", part=f"{record.progress:,}", whole=f"{record.rows:,}")
        return use_bar(done, record.progress, record.rows, title="Progress")

    @admin.display(description="Drafted")
    def drafted(self, record: BulkGrant) -> Text:
        return day(record.created_at)

    @admin.display(description="Why")
    def why(self, record: BulkGrant) -> Text:
        return clipped(record.reason)

    # --- One bulk grant -----------------------------------------------------------------------------------------

    def title_of(self, record: Any) -> str:
        return str(record.name)

    def facts(self, request: HttpRequest, record: Any) -> Iterable[Fact]:
        yield Fact("State", self.state(record))
        if record.status not in (Status.DRAFT, Status.DISCARDED):
            yield Fact("Progress", self.bar(record))
        yield from self._summary(record)
        if record.status != Status.DRAFT:
            for result, rows, minor in _results(record):
                yield Fact(result, format_html("{} ({})", amount(minor), f"{rows:,}"))
        yield Fact("Why", record.reason)
        yield Fact("Drafted by", record.drafter_name)
        yield Fact("Started", moment(record.started_at))
        yield Fact("Finished", moment(record.finished_at))

    def panels(self, request: HttpRequest, record: Any) -> Iterable[Panel]:
        left_out = record.entries.filter(status__in=[RowStatus.SKIPPED, RowStatus.KEPT]).order_by("line")
        if record.status != Status.DRAFT:
            yield self._rows_panel("Skipped or not taken back", left_out, "Every row was carried out.")
        yield self._rows_panel("First rows", record.entries.order_by("line"), "There are no rows.")
        yield history_panel(object_type=self.audit_name, object_id=str(record.pk))

    def _rows_panel(self, title: str, rows: QuerySet[BulkGrantRow, BulkGrantRow], empty: str) -> Panel:
        return Panel(
            title=title,
            columns=[Column("Line"), Column("Customer"), Column("Result"), Column("Amount", right=True)],
            rows=[
                (f"{row.line:,}", row.user_id, _result_of(row), amount(row.amount_minor))
                for row in rows[:_MAX_PANEL_ROWS]
            ],
            empty=empty,
        )

    def tools(self, request: HttpRequest, record: Any) -> Iterable[Tool]:
        yield Tool("Download the rows", self._url("rows", record))
        if request.user.has_perm(_CHANGE):
            for name, title, kind in _TOOLS.get(record.status, ()):
                yield Tool(title, self._url(name, record), kind)

    def _url(self, name: str, record: BulkGrant) -> str:
        return reverse(f"admin:{self.model_label}_{name}", args=[record.pk])

    def _summary(self, record: BulkGrant) -> Iterable[Fact]:
        yield Fact("Customers", f"{record.rows:,}")
        yield Fact("Credit in all", amount(record.total_minor))
        yield Fact("Kind of credit", say(record.credit_class))
        yield Fact("Credit expires", moment(record.expires_at) if record.expires_at else say("never"))
        if record.status == Status.DRAFT:
            preview = preview_draft(record)
            would = preview.total_minor - preview.already_minor
            yield Fact(
                "Would be granted", format_html("{} ({})", amount(would), f"{preview.rows - preview.already:,}")
            )
            yield Fact("Have a grant of this name", f"{preview.already:,}")
            yield Fact("New customers", f"{preview.unknown:,}")
            if preview.same_list:
                yield Fact("Same list as", badge(", ".join(preview.same_list[:3]), "bad"))

    # --- Draft --------------------------------------------------------------------------------------------------

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        if not self.has_add_permission(request):
            raise PermissionDenied
        form = BulkGrantForm(*((request.POST, request.FILES) if request.method == "POST" else ()))
        submission = Submission(request, f"{self.model_label}:draft", None)

        def draft() -> Done:
            found, is_new = draft_bulk_grant(terms=form.terms(), rows=form.rows, by=actor_of(request))
            said = "is a draft: check it, then start it" if is_new else "was sent before, and is not granted again"
            return Done(f"{found.name} {say(said)}.", change_url(self.model_label, found.pk))

        if form.is_valid() and (answer := submission.submit(form, lock_state=lambda: None, effect=draft)):
            return answer
        back = list_url(self.model_label)
        return form_page(
            self, request, title=self.add_title, form=form, submission=submission, submit="Check the file", back=back
        )

    # --- Acts ---------------------------------------------------------------------------------------------------

    def extra_views(self) -> Sequence[tuple[str, str, View]]:
        return [(f"<uuid:key>/{name}/", name, partial(self._act, name)) for name in _ACTS]

    def reading_views(self) -> Sequence[tuple[str, str, View]]:
        return [("<uuid:key>/rows/", "rows", self.rows_view)]

    def _act(self, name: str, request: HttpRequest, key: UUID) -> HttpResponse:
        record: BulkGrant = find_for_act(self, request, key, permission=_CHANGE)
        title, warning = _ACTS[name]

        def effect(reason: str) -> Done:
            by, page = actor_of(request), change_url(self.model_label, key)
            if name == "start":
                return done_or_proposed(start_or_propose(bulk_grant=record, by=by, reason=reason), request)
            act = undo_bulk_grant if name == "undo" else discard_bulk_grant
            found = act(bulk_grant_id=key, by=by, reason=reason)
            return Done(
                say(
                    "%(title)s is %(state)s.",
                    title=found.name,
                    state=say("being undone" if name == "undo" else "discarded"),
                ),
                page,
            )

        return confirm_act(
            self,
            request,
            record,
            name=name,
            title=f"{say(title)} {record.name}",
            submit=title,
            seen=record.status,
            lock_state=lambda: lock_bulk_grant(bulk_grant_id=key).status,
            effect=effect,
            facts=list(self._summary(record)),
            warning=warning,
            danger=name != "start",
        )

    def rows_view(self, request: HttpRequest, key: UUID) -> Any:
        """Streams all rows with their results as a CSV file."""
        record = find_for_act(self, request, key, permission="billing.view_bulkgrant")
        return StreamingHttpResponse(
            _csv_lines(record),
            content_type="text/csv; charset=utf-8",
            headers={"Content-Disposition": f'attachment; filename="{record.name}.csv"', "Cache-Control": "no-store"},
        )


_ACTS = {
    "start": ("Start", "The worker grants this credit. The page shows its progress when you load it again."),
    "discard": ("Discard", "Nothing is granted. The same list can be drafted again."),
    "undo": (
        "Undo",
        "The worker takes the credit back from customers who still have all of it. It reports the others.",
    ),
}


def _results(record: BulkGrant) -> list[tuple[str, int, int]]:
    """Returns the statuses of the rows, each with its number of rows and their sum."""
    found = record.entries.values("status").annotate(rows=Count("id"), minor=Sum("amount_minor")).order_by("status")
    return [(say(_RESULTS[RowStatus(each["status"])]), each["rows"], each["minor"]) for each in found]


def _result_of(row: BulkGrantRow) -> str:
    said = say(_RESULTS[RowStatus(row.status)])
    return f"{said}: {row.get_why_display()}" if row.why else said


def _csv_lines(record: BulkGrant) -> Iterator[str]:
    names = ("line", "user_id", "amount_minor", "status", "why")
    rows = record.entries.order_by("line").values_list(*names).iterator()
    return write_lines(chain([names], rows))
