"""The ledger's list with what each entry belongs to, totals and exports."""

from collections.abc import Iterable, Sequence
from typing import Any
from urllib.parse import parse_qsl
from uuid import UUID

from django import forms
from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import PAGE_VAR, SEARCH_VAR
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.text import capfirst
from unfold.widgets import UnfoldAdminSelectWidget

from billing.actor import CUSTOMER
from billing.admin.audit import name_channel
from billing.admin.console.base import View
from billing.admin.console.display import (
    NOTHING,
    Fact,
    Text,
    amount,
    badge,
    change_url,
    clipped,
    clipped_code,
    code,
    link,
    list_url,
    moment,
    two_lines,
)
from billing.admin.console.forms import ConsoleForm, reason_field
from billing.admin.console.lists import KeysetChangeList, KeysetPaginator
from billing.admin.console.pages import form_page
from billing.admin.console.request_actor import actor_of
from billing.admin.console.submission import Submission
from billing.admin.ledger import LedgerEntryAdmin, customer_link, order_link
from billing.database.replica import iterate_from_replica
from billing.language import name_role, say
from billing.models import LedgerEntry
from billing.queries import cursor_without_timeout
from billing.stored_words import say_reason
from orders.admin.ledger.explain import explain_page
from orders.admin.ledger.filters import (
    CampaignFilter,
    ClassFilter,
    CustomerFilter,
    EntryDaysFilter,
    KindFilter,
    LeastFilter,
    MostFilter,
    search_of,
)
from orders.admin.ledger.past import past_page
from orders.use_cases.ledger.describe_entries import describe_entries
from orders.use_cases.ledger.export_entries import FORMATS, hand_out_entries
from orders.use_cases.ledger.find_entries import (
    EntrySearch,
    EntryTotals,
    find_page,
    total_all,
    total_of_page,
    try_total,
)


class ExportForm(ConsoleForm):
    """A format and a reason."""

    file_format = forms.ChoiceField(
        label="Format", choices=[(name, name.upper()) for name in FORMATS], widget=UnfoldAdminSelectWidget
    )
    reason = reason_field()


class LedgerChangeList(KeysetChangeList):
    """A page of the ledger: its entries are found and totalled in a bounded time."""

    search: EntrySearch

    def get_results(self, request: HttpRequest) -> None:
        narrowed = bool(self.query) or any(map(request.GET.get, LedgerEntryAdmin.narrow_by))
        self.search = search_of(self, narrowed=narrowed)
        before = _read_key(request.GET.get(PAGE_VAR, ""))
        self.before = str(before or "")
        page = find_page(self.search, before=before, length=self.list_per_page)
        self.result_list = page.entries
        self.is_partial = page.is_partial
        self.older = self.get_query_string({PAGE_VAR: str(page.older)}) if page.older else ""
        self.newest = self.get_query_string(remove=[PAGE_VAR])
        self.page_facts = list(total_facts(total_of_page(page.entries)))
        # The following pages need not pay for the totals of all of them again.
        totals = try_total(self.search) if self.search.is_filtered and before is None else None
        self.facts = list(total_facts(totals)) if totals else []
        described = {each.id: each for each in describe_entries([entry.pk for entry in page.entries])}
        for entry in page.entries:
            entry.described = described[entry.pk]  # type: ignore[attr-defined]
        self.result_count = self.full_result_count = len(self.result_list)
        self.paginator = KeysetPaginator(self.result_list, self.list_per_page)
        self.show_admin_actions = bool(self.result_list)
        self.can_show_all = self.multi_page = False
        self.export_url = f"{reverse('admin:billing_ledgerentry_export')}{self.newest}"
        self.totals_url = f"{reverse('admin:billing_ledgerentry_totals')}{self.newest}"


admin.site.unregister(LedgerEntry)


@admin.register(LedgerEntry)
class DescribedLedgerEntryAdmin(LedgerEntryAdmin):
    """Ledger entries with their orders, vouchers and campaigns."""

    list_display = (  # type: ignore[assignment]  # more columns than the base class
        "when_and_who",
        "customer_and_cause",
        "kinds",
        "amount_and_balance_amount",
        "bought",
        "voucher",
    )
    list_filter = (  # type: ignore[assignment]
        ("created_at", EntryDaysFilter),
        KindFilter,
        ClassFilter,
        CustomerFilter,
        CampaignFilter,
        LeastFilter,
        MostFilter,
    )
    list_after_template = "admin/ledger_totals.html"

    def get_changelist(self, request: HttpRequest, **options: Any) -> type[KeysetChangeList]:
        return LedgerChangeList

    @admin.display(description="Time and author")
    def when_and_who(self, entry: Any) -> Text:
        author = entry.actor_name if entry.actor_role != CUSTOMER else name_role(entry.actor_role)
        return two_lines(moment(entry.created_at), clipped(f"{author}{say(', ')}{name_channel(entry.channel)}"))

    @admin.display(description="Customer and reason")
    def customer_and_cause(self, entry: LedgerEntry) -> Text:
        return two_lines(customer_link(entry.account.customer), clipped_code(entry.reason, say_reason(entry.note)))

    @admin.display(description="Amount and balance")
    def amount_and_balance_amount(self, entry: LedgerEntry) -> Text:
        return two_lines(amount(entry.amount_minor, signed=True), amount(entry.balance_after_minor))

    @admin.display(description="Kind")
    def kinds(self, entry: Any) -> Text:
        undone = badge("reversed", "warn") if entry.is_reversed else ""
        return two_lines(format_html("{} {}", badge(entry.kind), undone), say(entry.credit_class))

    @admin.display(description="Organization")
    def bought(self, entry: Any) -> Text:
        its = entry.described
        if its.order_id is None:
            return NOTHING
        named = link(its.organization, change_url("billing_organization", its.organization_id))
        return two_lines(named if its.organization_id else NOTHING, order_link(its.order_id))

    @admin.display(description="Voucher")
    def voucher(self, entry: Any) -> Text:
        its = entry.described
        if its.redemption_id is None:
            return NOTHING
        named = its.code if its.card_serial is None else f"{its.code} #{its.card_serial}"
        return two_lines(
            link(code(named), change_url("promos_redemption", its.redemption_id)),
            link(its.campaign, change_url("promos_campaign", its.campaign_id)),
        )

    # --- Totals and export ------------------------------------------------------------------------------------------

    def extra_views(self) -> Sequence[tuple[str, str, View]]:
        return [*super().extra_views(), ("export/", "export", self.export_view)]

    def reading_views(self) -> Sequence[tuple[str, str, View]]:
        return [
            ("totals/", "totals", self.totals_view),
            ("past/", "past", self.past_view),
            ("explain/", "explain", self.explain_view),
        ]

    def totals_view(self, request: HttpRequest) -> HttpResponse:
        """Adds up all entries that the list's filters leave. It may read the whole ledger."""
        changelist = self._changelist(request)
        with cursor_without_timeout():
            totals = total_all(changelist.search)
        context = {
            **self.admin_site.each_context(request),
            "title": say("Totals"),
            "crumbs": [(say("Ledger"), list_url(self.model_label) + changelist.newest), (say("Totals"), "")],
            "facts": [*_conditions(changelist), *total_facts(totals)],
        }
        return TemplateResponse(request, "admin/console_page.html", context)

    def past_view(self, request: HttpRequest) -> HttpResponse:
        """Shows the ledger, or one customer, voucher, batch or campaign, as of a past instant."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        return past_page(self, request)

    def explain_view(self, request: HttpRequest) -> HttpResponse:
        """Explains a customer's balance, or what paid an order."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        return explain_page(self, request)

    def export_view(self, request: HttpRequest) -> Any:
        """Asks for a format and a reason, then streams all entries that the list's filters leave."""
        changelist = self._changelist(request)
        form = ExportForm(request.POST if request.method == "POST" else None)
        if form.is_valid():
            file_format = form.cleaned_data["file_format"]
            parts = hand_out_entries(
                changelist.search,
                file_format=file_format,
                conditions={fact.title: str(fact.value) for fact in _conditions(changelist)},
                by=actor_of(request),
                reason=form.cleaned_data["reason"],
            )
            return StreamingHttpResponse(
                iterate_from_replica(parts),
                content_type=FORMATS[file_format],
                headers={
                    "Content-Disposition": f'attachment; filename="ledger.{file_format}"',
                    "Cache-Control": "no-store",
                },
            )
        return form_page(
            self,
            request,
            title="Export",
            form=form,
            submission=Submission(request, f"{self.model_label}:export", None),
            submit="Export",
            back=list_url(self.model_label) + changelist.newest,
            facts=_conditions(changelist) or [Fact("Entries", "all of the ledger")],
            warning="The file holds what customers paid and their addresses.",
        )

    def _changelist(self, request: HttpRequest) -> Any:
        """Returns the list that this request's parameters describe. Raises: PermissionDenied, Http404."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        try:
            return self.get_changelist_instance(request)
        except IncorrectLookupParameters as error:
            raise Http404 from error


def _conditions(changelist: Any) -> list[Fact]:
    """Returns what the list is narrowed to."""
    admin = changelist.model_admin
    titles = {SEARCH_VAR: "search", "created_at_from": "from", "created_at_to": "to", **admin.narrow_by}
    titles |= {each.parameter_name: each.title for each in admin.list_filter if not isinstance(each, tuple)}
    given = parse_qsl(changelist.newest.removeprefix("?"))
    return [Fact(capfirst(titles[name]), value) for name, value in given if name in titles and value]


def _read_key(text: str) -> UUID | None:
    """Reads the key before which a page begins. Anything else is the first page."""
    try:
        return UUID(text)
    except ValueError:
        return None


def total_facts(totals: EntryTotals) -> Iterable[Fact]:
    """Returns the totals as facts of a page."""
    yield Fact("Entries", f"{totals.number:,}")
    yield Fact("In", amount(totals.in_minor, signed=True))
    yield Fact("Out", amount(totals.out_minor, signed=True))
    yield Fact("Net", amount(totals.net_minor, signed=True))
