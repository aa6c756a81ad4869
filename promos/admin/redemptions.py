"""The pages of redemptions: who redeemed which voucher. A superadmin can release one, with a reason."""

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.db.models.functions import Right
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html

from billing.admin.console.acts import confirm_act, find_for_act
from billing.admin.console.base import ReadOnlyAdmin, View
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
    link,
    list_url,
    moment,
    state_badge,
)
from billing.admin.console.filters import DayRangeFilter
from billing.admin.console.forms import ConsoleForm, reason_field
from billing.admin.console.proposed import done_or_proposed
from billing.admin.console.request_actor import actor_of
from billing.admin.console.submission import Done
from billing.admin.ledger import (
    ENTRY_COLUMNS,
    customer_link,
    entry_rows,
    keys_of_customers,
    order_link,
)
from billing.language import say
from billing.locks import lock_account
from billing.models import LedgerEntry
from promos.admin.campaign_lists import CAMPAIGN, CampaignChangeList
from promos.locks import lock_redemption
from promos.models import Card, CardRange, PromoCode, Redemption
from promos.models.batch import LAST_CHARACTERS, normal_card_code, stored_card_codes
from promos.models.redemption import LIVE_STATUSES
from promos.queries import normal_code
from promos.use_cases.approvals.propose_release import release_or_propose

_RELEASE = "promos.change_redemption"
_MAX_PANEL_ROWS = 20
# Of a batch of a million, thirty cards end with the same characters if codes are letters, a hundred if digits.
_MAX_CARDS_MATCHED = 1_000
_MAX_SERIAL_DIGITS = 18
# The column `release_reason` of a redemption holds this many characters.
_REASON_LENGTH = 200


class ReleaseForm(ConsoleForm):
    """The reason for a release."""

    reason = reason_field(length=_REASON_LENGTH)


def _lock_status(redemption: Redemption) -> str:
    lock_account(customer_id=redemption.customer_id)
    return lock_redemption(redemption_id=redemption.pk).status


def code_link(promo_code: PromoCode) -> Text:
    """Links to the voucher's page. A retired voucher is struck through."""
    text = code(promo_code.code)
    if promo_code.for_cards:
        return link(text, list_url("promos_batch", q=promo_code.code))
    if promo_code.retired_at:
        text = format_html('<span class="struck">{}</span> {}', text, badge("retired", "bad"))
    return link(text, change_url("promos_promocode", promo_code.pk))


def matching_cards(term: str) -> list[int]:
    """Returns the serial numbers that a search term means: one itself, a code, or its last characters."""
    text = normal_card_code(normal_code(term))
    found = Card.objects.filter(code__in=stored_card_codes(text)).values_list("serial", flat=True)
    serials = [*found[:1]]
    if len(text) == LAST_CHARACTERS:
        ending = Card.objects.annotate(ending=Right("code", LAST_CHARACTERS)).filter(ending=text)
        serials += ending.values_list("serial", flat=True)[:_MAX_CARDS_MATCHED]
    if text.isascii() and text.isdigit() and len(text) <= _MAX_SERIAL_DIGITS:
        serials.append(int(text))
    return serials


def _of_cards(serials: list[int]) -> Q:
    """Returns the condition of the redemptions of cards. An index finds the live ones, another the released ones."""
    return _of_live_and_released(Q(card_serial__in=serials))


def _of_dealer(name: str) -> Q:
    """Returns the condition of the redemptions of the cards that a dealer holds. One query."""
    ranges = CardRange.objects.filter(dealer__name__iexact=name).order_by("first_serial")
    spans: list[tuple[int, int]] = []
    for first, last in ranges.values_list("first_serial", "last_serial"):
        # Acts on parts split ranges, so that many follow each other.
        begin = spans.pop()[0] if spans and spans[-1][1] == first - 1 else first
        spans.append((begin, last))
    if not spans:
        return Q(pk__in=[])
    return _of_live_and_released(Q(*(("card_serial__range", span) for span in spans), _connector=Q.OR))


def _of_live_and_released(of_cards: Q) -> Q:
    return of_cards & Q(status__in=LIVE_STATUSES) | of_cards & Q(status=Redemption.Status.RELEASED)


def redemptions_panel(promo_code: PromoCode) -> Panel:
    """Makes a panel of a voucher's newest redemptions. One query."""
    redemptions = Redemption.objects.filter(promo_code=promo_code).select_related("customer")
    return Panel(
        title="Redemptions",
        columns=[
            Column("Time"),
            Column("Customer"),
            Column("State"),
            Column("Order"),
            Column("Credit", right=True),
        ],
        rows=[
            (
                link(moment(each.reserved_at), change_url("promos_redemption", each.pk)),
                customer_link(each.customer),
                state_badge(each.status),
                order_link(each.order_id),
                amount(each.credit_minor),
            )
            for each in redemptions.order_by("-reserved_at")[:_MAX_PANEL_ROWS]
        ],
        empty="Nobody has redeemed this voucher yet.",
        more_title="All redemptions",
        more_url=list_url("promos_redemption", promo_code__code=promo_code.code),
    )


class RedemptionChangeList(CampaignChangeList):
    """The list of redemptions."""

    last = "last"


@admin.register(Redemption)
class RedemptionAdmin(ReadOnlyAdmin):
    """Redemptions: a customer's use of a voucher."""

    reads_replica = True
    list_display = ("when", "voucher", "customer_named", "state", "granted_amount", "order", "released")
    list_filter = ("status", ("reserved_at", DayRangeFilter))
    list_filter_submit = True
    list_select_related = ("promo_code", "customer")
    narrow_by = {
        "promo_code__code": "voucher",
        CAMPAIGN: "campaign",
        "customer__user_id": "customer",
        "order_id": "order",
    }
    search_fields = ("id",)
    search_help_text = (
        "Voucher's or card's code, its serial number or batch; dealer; customer's e-mail or user id; order id"
    )

    def get_changelist(self, request: HttpRequest, **options: Any) -> type[RedemptionChangeList]:
        return RedemptionChangeList

    def get_queryset(self, request: HttpRequest) -> QuerySet[Redemption, Redemption]:
        return Redemption.objects.select_related("promo_code", "customer")

    def search_filter(self, term: str) -> Q:
        # The keys are read first: subqueries in alternatives would be compared with each redemption.
        codes = list(PromoCode.objects.filter(code=normal_code(term)).values_list("pk", flat=True))
        found = Q(promo_code__in=codes) | Q(customer__in=keys_of_customers(term)) | _of_cards(matching_cards(term))
        found |= _of_dealer(term)
        try:
            key = UUID(term)
        except ValueError:
            return found
        return found | Q(pk=key) | Q(order_id=key)

    @admin.display(description="Time")
    def when(self, redemption: Redemption) -> Text:
        return moment(redemption.reserved_at)

    @admin.display(description="Voucher")
    def voucher(self, redemption: Redemption) -> Text:
        return code_link(redemption.promo_code)

    @admin.display(description="Customer")
    def customer_named(self, redemption: Redemption) -> Text:
        return customer_link(redemption.customer)

    @admin.display(description="State")
    def state(self, redemption: Redemption) -> Text:
        return state_badge(redemption.status)

    @admin.display(description="Credit")
    def granted_amount(self, redemption: Redemption) -> Text:
        return amount(redemption.credit_minor)

    @admin.display(description="Order")
    def order(self, redemption: Redemption) -> Text:
        return order_link(redemption.order_id)

    @admin.display(description="Released because")
    def released(self, redemption: Redemption) -> Text:
        return redemption.release_reason or NOTHING

    def facts(self, request: HttpRequest, record: Any) -> Iterable[Fact]:
        yield Fact("State", self.state(record))
        yield Fact("Voucher", self.voucher(record))
        if record.card_serial is not None:
            yield Fact(
                "Card",
                link(say("No. %(number)s", number=record.card_serial), change_url("promos_card", record.card_serial)),
            )
        yield Fact("Customer", self.customer_named(record))
        yield Fact("Credit", amount(record.credit_minor))
        yield Fact("Credit expires", moment(record.credit_expires_at))
        yield Fact("Order", order_link(record.order_id))
        yield Fact("Reserved", moment(record.reserved_at))
        yield Fact("Confirmed", moment(record.confirmed_at))
        if record.released_at:
            yield Fact("Released", moment(record.released_at))
            yield Fact("Released because", record.release_reason)
        yield Fact("Redemption id", code(record.pk))

    def panels(self, request: HttpRequest, record: Any) -> Iterable[Panel]:
        entries = LedgerEntry.objects.filter(account_id=record.customer_id, redemption_id=record.pk)
        yield Panel(
            title="Ledger",
            columns=ENTRY_COLUMNS,
            rows=entry_rows(entries.order_by("version")),
            empty="No credit has been granted yet.",
        )

    def tools(self, request: HttpRequest, record: Any) -> Iterable[Tool]:
        if request.user.has_perm(_RELEASE) and record.status == Redemption.Status.CONFIRMED:
            url = reverse("admin:promos_redemption_release", args=[record.pk])
            yield Tool("Release", url, "danger")

    def extra_views(self) -> Sequence[tuple[str, str, View]]:
        return [("<uuid:redemption_id>/release/", "release", self.release_view)]

    def release_view(self, request: HttpRequest, redemption_id: UUID) -> HttpResponse:
        """Asks for a reason, then frees the slot and takes the credit back in one transaction."""
        redemption = find_for_act(self, request, redemption_id, permission=_RELEASE)

        def free_slot(reason: str) -> Done:
            outcome = release_or_propose(redemption_id=redemption.pk, why=reason, by=actor_of(request))
            return done_or_proposed(outcome, request)

        return confirm_act(
            self,
            request,
            redemption,
            name="release",
            title="Release",
            submit="Release this redemption",
            seen=redemption.status,
            lock_state=lambda: _lock_status(redemption),
            effect=free_slot,
            form_class=ReleaseForm,
            facts=[
                Fact("Voucher", self.voucher(redemption)),
                Fact("Customer", self.customer_named(redemption)),
                Fact("Credit", amount(redemption.credit_minor)),
            ],
            warning="The slot becomes free, the customer can redeem the voucher again, and a reversal takes back the"
            " credit. This fails if the credit was already spent.",
            danger=True,
        )
