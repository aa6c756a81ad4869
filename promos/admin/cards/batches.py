"""The pages of batches of cards. Each act calls a use case; none deletes."""

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import F, Q, QuerySet
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import render
from django.urls import reverse

from billing.admin.audit import history_panel
from billing.admin.console.acts import confirm_change, find_for_act
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
    code,
    day,
    link,
    list_url,
    moment,
    two_lines,
    use_bar,
)
from billing.admin.console.forms import ReasonForm, show_refusals_on
from billing.admin.console.pages import form_page
from billing.admin.console.request_actor import actor_of, staff_of
from billing.admin.console.submission import Done, Submission
from billing.language import say
from billing.use_cases.proposals.drafts import lock_open_proposal
from promos.admin.forecasts import WHAT_IF, asks_what_if, what_if_facts
from promos.admin.form_fields import written_credit_life
from promos.admin.oversight.figures import credit_column, credit_panel, dealer_panels, figure_panels
from promos.admin.restriction_fields import restriction_facts, with_restricted
from promos.locks import lock_batch
from promos.models import Batch, Card, CardRange, PromoCode
from promos.models.batch import LAST_CHARACTERS, normal_card_code, stored_card_codes
from promos.queries import count_redeemed, normal_code
from promos.use_cases.approvals.approve_batch import BATCH_APPROVAL, batch_arguments
from promos.use_cases.cards.create_batch import create_batch
from promos.use_cases.cards.export_cards import HANDED_OUT, export_csv, hand_out_codes, print_cards
from promos.use_cases.cards.guessing import compute_odds
from promos.use_cases.ranges.act_on_cards import RANGES_CHANGE

from .batch_changes import CHANGES
from .batch_forms import BatchForm, SheetsForm
from .cards import batch_badge, ending_in, range_badge, serial_of
from .printer_file import download_view, printer_file_facts, printer_file_tools
from .range_forms import RangeForm
from .ranges import act_of, range_act_page
from .serial_files import serial_file_view

_CHANGE = "promos.change_batch"
_MAX_RANGES_SHOWN = 10
Status = Batch.Status


def _bar(part: int, whole: int, title: str) -> Text:
    return use_bar(say("%(part)s of %(whole)s", part=f"{part:,}", whole=f"{whole:,}"), part, whole, title=title)


def _ranges_panel(batch: Batch) -> Panel:
    """Makes a panel of the batch's first ranges."""
    rows = CardRange.objects.filter(batch=batch).select_related("dealer").order_by("first_serial")
    return Panel(
        title="Ranges",
        columns=[Column("Serial numbers"), Column("State"), Column("Dealer"), Column("Cards", right=True)],
        rows=[
            (
                link(
                    say("%(first)s to %(last)s", first=row.first_serial, last=row.last_serial),
                    change_url("promos_cardrange", row.pk),
                ),
                range_badge(row.status, locked=row.locked),
                row.dealer.name if row.dealer else NOTHING,
                f"{row.size:,}",
            )
            for row in rows[:_MAX_RANGES_SHOWN]
        ],
        empty="All cards follow their batch.",
        more_title="All ranges",
        more_url=list_url("promos_cardrange", batch=str(batch.pk)),
    )


def _lock_status(batch: Batch, *, deciding: bool) -> str:
    if deciding:
        # A decision locks the proposal first.
        lock_open_proposal(BATCH_APPROVAL, batch_arguments(batch=batch))
    return lock_batch(batch_id=batch.pk).status


@admin.register(Batch)
class BatchAdmin(RecordAdmin):
    """Batches of cards. The permissions of the user's group apply to all batches alike."""

    noun, nouns, add_title = "batch of cards", "batches of cards", "Draft a batch"
    audit_name = "batch"
    list_display = ("named", "state_and_early", "credit_amount", "use", "credit_left", "serials", "drafted")
    list_filter = ("status",)
    narrow_by = {"promo_code__campaign__name": "campaign"}
    search_fields = ("promo_code__code",)
    search_help_text = "Name, campaign or dealer; a card's code, its last four characters or its serial number"
    ordering = ("-created_at", "-id")
    sortable_by = ()
    actions = None

    def get_queryset(self, request: HttpRequest) -> QuerySet[Batch, Batch]:
        return Batch.objects.select_related("promo_code__campaign", "promo_code__figures")

    def search_filter(self, term: str) -> Q:
        text = normal_card_code(normal_code(term))
        cards = Card.objects.filter(code__in=stored_card_codes(text)).values("batch_id")
        found = Q(promo_code__code__icontains=term) | Q(pk__in=cards) | Q(promo_code__campaign__name__icontains=term)
        found |= Q(pk__in=CardRange.objects.filter(dealer__name__icontains=term).values("batch_id"))
        if len(text) == LAST_CHARACTERS:
            found |= Q(pk__in=ending_in(text).values("batch_id"))
        if (serial := serial_of(text)) is not None:
            found |= Q(first_serial__lte=serial, first_serial__gt=serial - F("size"))
        return found

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        # A batch is changed by its acts alone; Django's own form is not offered.
        return False

    @admin.display(description="Name")
    def named(self, batch: Batch) -> Text:
        return code(batch.promo_code.code)

    @admin.display(description="State")
    def state(self, batch: Batch) -> Text:
        return with_restricted(batch_badge(batch.status), restricted=batch.promo_code.restricted)

    @admin.display(description="State")
    def state_and_early(self, batch: Batch) -> Text:
        early = batch.early_attempts
        return (
            two_lines(self.state(batch), badge(say("tried early: %(number)s", number=f"{early:,}"), "bad"))
            if early
            else self.state(batch)
        )

    @admin.display(description="Credit a card")
    def credit_amount(self, batch: Batch) -> Text:
        return amount(batch.promo_code.credit_minor)

    @admin.display(description="Redeemed")
    def use(self, batch: Any) -> Text:
        return _bar(batch.redeemed, batch.size, "Redeemed, as of the last minute")

    @admin.display(description="Credit as of last night")
    def credit_left(self, batch: Batch) -> Text:
        return credit_column(getattr(batch.promo_code, "figures", None))

    @admin.display(description="Serial numbers")
    def serials(self, batch: Batch) -> Text:
        return two_lines(batch.first_serial, batch.last_serial)

    @admin.display(description="Drafted")
    def drafted(self, batch: Batch) -> Text:
        return day(batch.created_at)

    # --- One batch ----------------------------------------------------------------------------------------------

    def title_of(self, record: Any) -> str:
        return str(record.promo_code.code)

    def facts(self, request: HttpRequest, record: Any) -> Iterable[Fact]:
        terms = record.promo_code
        odds = compute_odds(pattern=record.pattern, alphabet=record.alphabet, size=record.size)
        yield Fact("State", self.state(record))
        yield Fact("Generated", _bar(record.generated, record.size, "Generated"))
        yield Fact("Redeemed", _bar(count_redeemed(record), record.size, "Redeemed"))
        yield Fact("Campaign", link(terms.campaign.name, change_url("promos_campaign", terms.campaign_id)))
        yield Fact("Credit a card", amount(terms.credit_minor))
        yield Fact("Credit of all cards", amount(terms.credit_minor * record.size))
        yield Fact("Serial numbers", say("%(first)s to %(last)s", first=record.first_serial, last=record.last_serial))
        yield Fact("Pattern", code(record.pattern))
        yield from printer_file_facts(record)
        yield Fact("Odds of a year of guessing", say("1 in %(number)s", number=f"{odds.one_in:,}"))
        yield Fact("Valid from", moment(terms.starts_at))
        yield Fact("Valid until", moment(terms.expires_at))
        yield Fact("Credit expires", written_credit_life(terms, otherwise=written_credit_life(terms.campaign)))
        yield from restriction_facts(terms.restrictions, terms.campaign.restrictions)
        yield Fact("Description", terms.description or NOTHING)
        if record.early_attempts:
            yield Fact(
                "Tried while not active", badge(say("%(number)s times", number=f"{record.early_attempts:,}"), "bad")
            )
            yield Fact("Last tried while not active", moment(record.last_early_attempt_at))

    def panels(self, request: HttpRequest, record: Any) -> Iterable[Panel]:
        codes = PromoCode.objects.filter(pk=record.promo_code_id)
        figures = getattr(record.promo_code, "figures", None)
        yield credit_panel(figures)
        yield from figure_panels(request, codes, figures, promo_code__code=record.promo_code.code)
        yield from dealer_panels(request, codes)
        yield _ranges_panel(record)
        yield history_panel(object_type=self.audit_name, object_id=record.promo_code.code)

    def tools(self, request: HttpRequest, record: Any) -> Iterable[Tool]:
        if not request.user.has_perm(_CHANGE):
            return
        own = record.created_by == staff_of(request).sub
        for name, change in CHANGES.items():
            # Nobody approves their own draft.
            if own and name == "approve":
                continue
            if change.leads_to and change.leads_to in Batch.TRANSITIONS[Status(record.status)]:
                yield change.tool(self._url(name, record))
        yield from printer_file_tools(request, record)
        if record.status in HANDED_OUT and not record.is_secret:
            yield Tool("Export CSV", self._url("export", record))
            yield Tool("Print", self._url("sheets", record))
        if record.status in RANGES_CHANGE:
            yield Tool("Act on cards", self._url("range", record))
            yield Tool("Act on a file", self._url("serials", record))

    def links(self, record: Any) -> Iterable[Tool]:
        yield Tool("Cards", list_url("promos_card", batch=str(record.pk)))
        yield Tool("Ranges", list_url("promos_cardrange", batch=str(record.pk)))
        yield Tool("Redemptions", list_url("promos_redemption", promo_code__code=record.promo_code.code))

    def _url(self, name: str, batch: Batch) -> str:
        return reverse(f"admin:{self.model_label}_{name}", args=[batch.pk])

    # --- Draft --------------------------------------------------------------------------------------------------

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        if not self.has_add_permission(request):
            raise PermissionDenied
        form = BatchForm(request.POST if request.method == "POST" else None)
        submission = Submission(request, f"{self.model_label}:draft", None)

        def draft() -> Done:
            batch = create_batch(terms=form.terms(), by=actor_of(request), reason=form.cleaned_data["reason"])
            text = say("%(title)s is drafted. Someone else must approve it.", title=batch.promo_code.code)
            return Done(text, change_url(self.model_label, batch.pk))

        facts: list[Fact] = []
        if asks_what_if(request, form):
            facts = what_if_facts(form, form.offer)
        elif form.is_valid() and (answer := submission.submit(form, lock_state=lambda: None, effect=draft)):
            return answer
        return form_page(
            self,
            request,
            title=self.add_title,
            form=form,
            submission=submission,
            submit="Draft",
            more_submits=[WHAT_IF],
            facts=facts,
            back=list_url(self.model_label),
        )

    # --- Acts ---------------------------------------------------------------------------------------------------

    def extra_views(self) -> Sequence[tuple[str, str, View]]:
        return [
            *((f"<int:key>/{name}/", name, partial(self._change_state, name)) for name in CHANGES),
            ("<int:key>/export/", "export", self.export_view),
            ("<int:key>/download/", "download", partial(download_view, self)),
            ("<int:key>/sheets/", "sheets", self.sheets_view),
            ("<int:key>/range/", "range", self.range_view),
            ("<int:key>/serials/", "serials", partial(serial_file_view, self)),
        ]

    def _change_state(self, name: str, request: HttpRequest, key: int) -> HttpResponse:
        batch = find_for_act(self, request, key, permission=_CHANGE)
        return confirm_change(
            self,
            request,
            batch,
            CHANGES[name],
            name=name,
            arguments={"batch": batch},
            seen=batch.status,
            lock_state=lambda: _lock_status(batch, deciding=name == "approve"),
            facts=self._summary(batch),
        )

    def _summary(self, batch: Any) -> list[Fact]:
        return [
            Fact("State", self.state(batch)),
            Fact("Cards", f"{batch.size:,}"),
            Fact("Credit a card", amount(batch.promo_code.credit_minor)),
            Fact("Credit of all cards", amount(batch.promo_code.credit_minor * batch.size)),
            Fact("Redeemed", _bar(count_redeemed(batch), batch.size, "Redeemed")),
        ]

    def range_view(self, request: HttpRequest, key: int) -> HttpResponse:
        """Asks for an act on the cards of some serial numbers."""
        batch = find_for_act(self, request, key, permission=_CHANGE)
        sent, serials = request.POST if request.method == "POST" else None, (batch.first_serial, batch.last_serial)
        form = RangeForm(sent, batch=batch, serials=serials)
        return range_act_page(
            self,
            request,
            batch,
            form,
            title=say("Act on cards of %(batch)s", batch=batch.promo_code.code),
            back=change_url(self.model_label, batch.pk),
            form_name=f"{self.model_label}:range:{batch.pk}",
            facts=self._summary(batch),
            arguments=lambda: act_of(form),
            submit="Carry out",
        )

    # --- Export and print ---------------------------------------------------------------------------------------

    def export_view(self, request: HttpRequest, key: int) -> Any:
        """Asks for a reason, then streams the codes as a CSV file."""
        batch = find_for_act(self, request, key, permission=_CHANGE)
        form = ReasonForm(request.POST if request.method == "POST" else None)
        if form.is_valid() and self._hand_out(
            request, batch, form, how="exported", serials=(batch.first_serial, batch.last_serial)
        ):
            name = f"{batch.promo_code.code}.csv"
            return StreamingHttpResponse(
                export_csv(batch),
                content_type="text/csv; charset=utf-8",
                headers={"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"},
            )
        return self._ask(request, batch, form, "export", "Export CSV")

    def sheets_view(self, request: HttpRequest, key: int) -> HttpResponse:
        """Asks for serial numbers and a reason, then shows the cards as sheets to print."""
        batch = find_for_act(self, request, key, permission=_CHANGE)
        form = SheetsForm(request.POST if request.method == "POST" else None, batch=batch)
        if form.is_valid():
            first, last = form.cleaned_data["first"], form.cleaned_data["last"]
            if self._hand_out(request, batch, form, how="printed", serials=(first, last)):
                context = {"batch": batch, "credit": amount(batch.promo_code.credit_minor)}
                cards = list(print_cards(batch, first=first, last=last))
                response = render(request, "admin/card_sheets.html", {**context, "cards": cards})
                response["Cache-Control"] = "no-store"
                return response
        return self._ask(request, batch, form, "sheets", "Print")

    def _hand_out(
        self, request: HttpRequest, batch: Batch, form: ReasonForm, *, how: str, serials: tuple[int, int]
    ) -> bool:
        """Records the hand-out; False where the form now shows a refusal."""
        (first, last), reason = serials, form.cleaned_data["reason"]
        with show_refusals_on(form):
            hand_out_codes(batch=batch, first=first, last=last, how=how, by=actor_of(request), reason=reason)
        return form.is_valid()

    def _ask(self, request: HttpRequest, batch: Any, form: ReasonForm, name: str, submit: str) -> HttpResponse:
        page = change_url(self.model_label, batch.pk)
        return form_page(
            self,
            request,
            title=f"{say(submit)} {batch.promo_code.code}",
            form=form,
            submission=Submission(request, f"{self.model_label}:{name}:{batch.pk}", batch.status),
            submit=submit,
            back=page,
            parent=(self.title_of(batch), page),
            facts=self._summary(batch),
            warning="The codes are worth their credit. Keep them as you keep cash.",
        )
