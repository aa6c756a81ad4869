"""The pages of ranges of cards. A dealer sees its own ranges here, and activates them."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from billing.actor import DEALER
from billing.admin.console.acts import find_for_act
from billing.admin.console.base import ConsoleAdmin, RecordAdmin, View
from billing.admin.console.display import (
    NOTHING,
    Fact,
    Text,
    Tool,
    change_url,
    code,
    day,
    link,
    moment,
    two_lines,
)
from billing.admin.console.forms import ReasonForm
from billing.admin.console.pages import form_page
from billing.admin.console.proposed import done_or_proposed
from billing.admin.console.request_actor import actor_of, staff_of
from billing.admin.console.submission import Done, Submission
from billing.language import say
from billing.use_cases.assign_role import role_of
from promos.locks import lock_batch
from promos.models import Batch, CardRange
from promos.use_cases.approvals.propose_cards import act_or_propose
from promos.use_cases.ranges.act_on_cards import RANGES_CHANGE
from promos.use_cases.ranges.plan_act import Act

from .cards import batch_badge, range_badge, serial_of
from .range_forms import RangeForm, SerialsForm

_CHANGE = "promos.change_cardrange"


def _is_dealer(request: HttpRequest) -> bool:
    return role_of(staff_of(request)) == DEALER


def range_act_page(
    model_admin: ConsoleAdmin,
    request: HttpRequest,
    batch: Batch,
    form: SerialsForm,
    *,
    title: str,
    back: str,
    form_name: str,
    facts: Iterable[Fact],
    arguments: Callable[[], Mapping[str, Any]],
    submit: str,
) -> HttpResponse:
    """Asks for an act on the cards of a batch, and carries it out or proposes it once.

    Args: arguments: those of `act_or_propose` that the valid form does not name itself.
    """
    submission = Submission(request, form_name, batch.status)

    def effect() -> Done:
        data = form.cleaned_data
        outcome = act_or_propose(
            batch=batch,
            spans=[(data["first"], data["last"])],
            by=actor_of(request),
            reason=data["reason"],
            **arguments(),
        )
        return done_or_proposed(outcome, request, url=back)

    if form.is_valid() and (
        answer := submission.submit(form, lock_state=lambda: lock_batch(batch_id=batch.pk).status, effect=effect)
    ):
        return answer
    return form_page(
        model_admin,
        request,
        title=title,
        form=form,
        submission=submission,
        submit=submit,
        back=back,
        facts=facts,
    )


@admin.register(CardRange)
class CardRangeAdmin(RecordAdmin):
    """Ranges of cards. A dealer sees and activates its own; nobody sees those of another dealer through this role."""

    audit_name = "batch"
    list_display = ("serials", "of_batch", "state", "of_dealer", "cards", "until", "changed")
    list_filter = ("status", "locked")
    narrow_by = {"batch": "batch", "dealer": "dealer"}
    search_fields = ("first_serial",)
    search_help_text = "Serial number, batch or dealer"
    ordering = ("-first_serial",)
    sortable_by = ()
    actions = None

    def get_queryset(self, request: HttpRequest) -> QuerySet[CardRange, CardRange]:
        rows = CardRange.objects.select_related("batch__promo_code", "dealer")
        return rows.filter(dealer__user_id=staff_of(request).sub) if _is_dealer(request) else rows

    def search_filter(self, term: str) -> Q:
        found = Q(batch__promo_code__code__icontains=term) | Q(dealer__name__icontains=term)
        if (serial := serial_of(term)) is not None:
            found |= Q(first_serial__lte=serial, last_serial__gte=serial)
        return found

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        # A range is changed by its acts alone.
        return False

    @admin.display(description="Serial numbers")
    def serials(self, row: CardRange) -> Text:
        return two_lines(row.first_serial, row.last_serial)

    @admin.display(description="Batch")
    def of_batch(self, row: CardRange) -> Text:
        return code(row.batch.promo_code.code)

    @admin.display(description="State")
    def state(self, row: CardRange) -> Text:
        return range_badge(row.status, locked=row.locked)

    @admin.display(description="Dealer")
    def of_dealer(self, row: CardRange) -> Text:
        return row.dealer.name if row.dealer else NOTHING

    @admin.display(description="Cards")
    def cards(self, row: CardRange) -> Text:
        return f"{row.size:,}"

    @admin.display(description="Valid until")
    def until(self, row: CardRange) -> Text:
        return moment(row.expires_at or row.batch.promo_code.expires_at)

    @admin.display(description="Changed")
    def changed(self, row: CardRange) -> Text:
        return day(row.updated_at)

    def title_of(self, record: Any) -> str:
        return say("Cards %(first)s to %(last)s", first=record.first_serial, last=record.last_serial)

    def facts(self, request: HttpRequest, record: Any) -> Iterable[Fact]:
        yield Fact("State", range_badge(record.status, locked=record.locked))
        yield Fact("Cards", self.cards(record))
        name = record.batch.promo_code.code
        may_see = request.user.has_perm("promos.view_batch")
        yield Fact("Batch", link(name, change_url("promos_batch", record.batch_id)) if may_see else code(name))
        yield Fact("State of the batch", batch_badge(record.batch.status))
        yield Fact("Dealer", self.of_dealer(record))
        yield Fact("Valid until", self.until(record))
        yield Fact("Changed", moment(record.updated_at))

    def tools(self, request: HttpRequest, record: Any) -> Iterable[Tool]:
        if request.user.has_perm(_CHANGE) and record.batch.status in RANGES_CHANGE:
            title = "Activate" if _is_dealer(request) else "Act on cards"
            yield Tool(title, reverse(f"admin:{self.model_label}_act", args=[record.pk]))

    def extra_views(self) -> Sequence[tuple[str, str, View]]:
        return [("<int:key>/act/", "act", self.act_view)]

    def act_view(self, request: HttpRequest, key: int) -> HttpResponse:
        """Asks for an act on a range or a part of it. A dealer can only activate."""
        row = find_for_act(self, request, key, permission=_CHANGE)
        sent, serials = request.POST if request.method == "POST" else None, (row.first_serial, row.last_serial)
        own = row.dealer if _is_dealer(request) else None
        form: SerialsForm = (SerialsForm if own else RangeForm)(sent, batch=row.batch, serials=serials)

        def arguments() -> Mapping[str, Any]:
            return {"act": Act.ACTIVATE, "only_dealer": own} if own else act_of(form)

        return range_act_page(
            self,
            request,
            row.batch,
            form,
            title=say(
                "Activate cards %(first)s to %(last)s" if own else "Act on cards %(first)s to %(last)s",
                first=row.first_serial,
                last=row.last_serial,
            ),
            back=change_url(self.model_label, row.pk),
            form_name=f"{self.model_label}:act:{row.pk}",
            facts=list(self.facts(request, row)),
            arguments=arguments,
            submit="Activate" if own else "Carry out",
        )


def act_of(form: ReasonForm) -> Mapping[str, Any]:
    """Returns the act of a valid form, with its arguments."""
    data = form.cleaned_data
    return {"act": Act(data["act"]), "dealer": data["dealer"], "expires_at": data["expires_at"]}
