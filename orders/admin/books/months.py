"""Closed months, the form that closes the next one, and the figures of a month that is still open."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, StreamingHttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html_join
from django.utils.text import capfirst

from billing.admin.console.base import RecordAdmin, View, find_or_404
from billing.admin.console.display import Column, Fact, Panel, Text, Tool, amount, change_url, code, list_url, moment
from billing.admin.console.forms import ReasonForm
from billing.admin.console.pages import form_page
from billing.admin.console.people import name_of
from billing.admin.console.request_actor import actor_of
from billing.admin.console.submission import Done, Submission
from billing.database.replica import iterate_from_replica
from billing.language import say
from orders.errors import InvalidMonth
from orders.models import ClosedMonth
from orders.use_cases.books.close_month import close_month, next_month_to_close
from orders.use_cases.books.journal import hand_out_journal
from orders.use_cases.books.month import Month, month_of, read_month
from orders.use_cases.books.roll_forward import roll_forward_of

_TITLES = {
    "credit": "Credit of all customers",
    "held": "Held credit",
    "card": "Card money",
    "disputed": "Disputed payments",
    "receivable": "Receivables",
}


@admin.register(ClosedMonth)
class ClosedMonthAdmin(RecordAdmin):
    """Closed months. Adding one closes the next month, with a reason; nobody edits one."""

    reads_replica = True
    noun, nouns = "closed month", "closed months"
    list_display = ("named", "closed", "who", "credit")
    search_fields = ("month",)
    search_help_text = "Month, as 2026-10"
    ordering = ("-month",)
    sortable_by = ()
    actions = None
    add_title = "Close a month"
    show_add_link = True

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_queryset(self, request: HttpRequest) -> QuerySet[ClosedMonth, ClosedMonth]:
        return ClosedMonth.objects.annotate(closer_name=name_of("closed_by")).order_by(*self.ordering)

    def search_filter(self, term: str) -> Q:
        try:
            return Q(month=read_month(term).first_day)
        except InvalidMonth:
            return Q(pk=None)

    @admin.display(description="Month")
    def named(self, closed: ClosedMonth) -> Text:
        return closed.name

    @admin.display(description="Closed")
    def closed(self, closed: ClosedMonth) -> Text:
        return moment(closed.closed_at)

    @admin.display(description="Closed by")
    def who(self, closed: Any) -> Text:
        return str(closed.closer_name)

    @admin.display(description="Credit at its end")
    def credit(self, closed: ClosedMonth) -> Text:
        totals = [(amount(books["credit"]["closing"]),) for books in closed.facts["roll_forward"].values()]
        return format_html_join(", ", "{}", totals)

    def title_of(self, record: Any) -> str:
        return str(record.name)

    def facts(self, request: HttpRequest, record: Any) -> Iterable[Fact]:
        facts = record.facts
        yield Fact("Closed", moment(record.closed_at))
        yield Fact("Closed by", record.closer_name)
        yield Fact("Lines of the journal", f"{facts['journal']['lines']:,}")
        yield Fact("SHA-256 of the journal", code(facts["journal"]["sha256"]))
        yield Fact("To publish", code(record.hash))
        yield Fact("Public key", code(facts["public_key"]))

    def panels(self, request: HttpRequest, record: Any) -> Iterable[Panel]:
        for books in record.facts["roll_forward"].values():
            yield from (_book_panel(name, figures) for name, figures in books.items())

    def tools(self, request: HttpRequest, record: Any) -> Iterable[Tool]:
        yield Tool("Download the journal", reverse("admin:orders_closedmonth_journal", args=[record.pk]))

    def extra_views(self) -> Sequence[tuple[str, str, View]]:
        return [("<str:key>/journal/", "journal", self.journal_view)]

    def journal_view(self, request: HttpRequest, key: str) -> Any:
        """Asks for a reason, then streams the month's journal as CSV."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        closed = find_or_404(self, request, key)
        month = Month(closed.month)
        form = ReasonForm(request.POST if request.method == "POST" else None)
        page = change_url(self.model_label, closed.pk)
        if form.is_valid():
            lines = hand_out_journal(month, by=actor_of(request), reason=form.cleaned_data["reason"])
            headers = {
                "Content-Disposition": f'attachment; filename="journal-{month.name}.csv"',
                "Cache-Control": "no-store",
            }
            return StreamingHttpResponse(iterate_from_replica(lines), content_type="text/csv", headers=headers)
        return form_page(
            self,
            request,
            title="Download the journal",
            form=form,
            submission=Submission(request, f"{self.model_label}:journal:{closed.name}", closed.name),
            submit="Download",
            back=page,
            parent=(closed.name, page),
            facts=[Fact("Lines", f"{closed.facts['journal']['lines']:,}")],
            warning="The file names the order of each entry.",
        )

    def reading_views(self) -> Sequence[tuple[str, str, View]]:
        return [("open/<str:name>/", "open", self.open_view)]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        links = [self._link_to_open(month_of(timezone.now()))]
        return super().changelist_view(request, {"links": links, **(extra_context or {})})

    def _link_to_open(self, month: Month) -> Tool:
        return Tool(
            say("Figures of %(month)s, still open", month=month.name),
            reverse("admin:orders_closedmonth_open", args=[month.name]),
        )

    def open_view(self, request: HttpRequest, name: str) -> HttpResponse:
        """Computes the figures of a month that is not closed. It may read all entries since the last closed month."""
        if request.method not in ("GET", "HEAD") or not self.has_view_permission(request):
            raise PermissionDenied
        now = timezone.now()
        try:
            month = read_month(name)
        except InvalidMonth as error:
            raise Http404 from error
        if month.start > now:
            raise Http404
        closed = ClosedMonth.objects.filter(month=month.first_day).first()
        if closed is not None:
            return HttpResponseRedirect(change_url(self.model_label, closed.pk))
        before = month_of(month.start - timedelta(days=1))
        is_next = ClosedMonth.objects.filter(month=before.first_day).exists()
        context = {
            **self.admin_site.each_context(request),
            "title": say("%(month)s, still open", month=month.name),
            "crumbs": [(capfirst(self.plural), list_url(self.model_label)), (month.name, "")],
            "facts": [*_period_facts(month), Fact("Computed", moment(now))],
            "links": [] if is_next else [self._link_to_open(before)],
            "panels": [_book_panel(book.name, book.as_json()) for book in roll_forward_of(month)],
        }
        return TemplateResponse(request, "admin/console_page.html", context)

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Asks for a reason, and closes the next month."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        month = next_month_to_close()
        form = ReasonForm(request.POST if request.method == "POST" else None)
        submission = Submission(request, f"{self.model_label}:add", month.name)

        def effect() -> Done:
            closed = close_month(month=month, why=form.cleaned_data["reason"], by=actor_of(request))
            return Done(
                say("%(title)s is %(state)s.", title=closed.name, state=say("closed")),
                change_url(self.model_label, closed.pk),
            )

        if form.is_valid() and (
            answer := submission.submit(form, lock_state=lambda: next_month_to_close().name, effect=effect)
        ):
            return answer
        return form_page(
            self,
            request,
            title=say("Close %(month)s", month=month.name),
            form=form,
            submission=submission,
            submit="Close the month",
            back=list_url(self.model_label),
            facts=_period_facts(month),
            warning="Its figures are computed and signed. What is corrected later is in the open month.",
        )


def _period_facts(month: Month) -> list[Fact]:
    return [Fact("From", moment(month.start)), Fact("Until before", moment(month.finish))]


def _book_panel(name: str, figures: Mapping[str, int]) -> Panel:
    return Panel(
        title=_TITLES[name],
        columns=[Column("Line"), Column("Amount", right=True)],
        rows=[
            (say(line.replace("_", " ").capitalize()), amount(minor, signed=line not in ("opening", "closing")))
            for line, minor in figures.items()
        ],
    )
