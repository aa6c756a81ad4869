"""The pages of cards. They show the last characters of a code, never all of it."""

from collections.abc import Iterable
from typing import Any

from django.contrib import admin
from django.db.models import F, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Right
from django.http import HttpRequest

from billing.admin.console.base import ReadOnlyAdmin
from billing.admin.console.display import NOTHING, Fact, Panel, Text, amount, badge, change_url, code, link
from billing.language import say
from promos.admin.oversight.attempts import attempts_panel
from promos.admin.redemptions import matching_cards
from promos.models import Batch, Card, CardRange, Redemption, RefusedAttempt
from promos.models.batch import LAST_CHARACTERS
from promos.models.redemption import LIVE_STATUSES
from promos.queries import range_value

_BADGES = {
    Batch.Status.ACTIVE: "good",
    Batch.Status.LOCKED: "warn",
    Batch.Status.VOID: "bad",
    Batch.Status.CLOSED: "plain",
}
_RANGE_BADGES = {
    CardRange.Status.ACTIVE: "good",
    CardRange.Status.ALLOCATED: "info",
    CardRange.Status.STOCK: "plain",
    CardRange.Status.VOID: "bad",
}


def batch_badge(status: str) -> Text:
    """Formats the state of a batch as a badge."""
    return badge(status, _BADGES.get(Batch.Status(status), "info"))


def range_badge(status: str, *, locked: bool) -> Text:
    """Formats the state of a range as a badge."""
    text = str(CardRange.Status(status).label).lower()
    return (
        badge(say("%(state)s, locked", state=say(text)), "warn")
        if locked
        else badge(text, _RANGE_BADGES[CardRange.Status(status)])
    )


def ending_in(text: str) -> QuerySet[Any, Any]:
    """Returns the cards whose codes end with this text, by index."""
    return Card.objects.annotate(ending=Right("code", LAST_CHARACTERS)).filter(ending=text)


def serial_of(text: str) -> int | None:
    """Returns the serial number that a search term is, if it is one."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= len("9" * 18) else None


@admin.register(Card)
class CardAdmin(ReadOnlyAdmin):
    """Cards, without their codes: only the last characters are shown."""

    list_display = ("serial_number", "ending", "of_batch", "state", "customer")
    narrow_by = {"batch": "batch"}
    search_fields = ("serial",)
    search_help_text = "Code, its last four characters, or serial number"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Card, Card]:
        live = Redemption.objects.filter(card_serial=OuterRef("serial"), status__in=LIVE_STATUSES)
        return Card.objects.select_related("batch__promo_code").annotate(
            redemption_id=Subquery(live.values("id")[:1]),
            customer_id=Subquery(live.values("customer_id")[:1]),
            user_id=Subquery(live.values("customer__user_id")[:1]),
            range_id=range_value(OuterRef("serial"), F("id")),
            range_status=range_value(OuterRef("serial"), F("status")),
            range_locked=range_value(OuterRef("serial"), F("locked")),
        )

    def search_filter(self, term: str) -> Q:
        return Q(pk__in=matching_cards(term))

    @admin.display(description="Serial number")
    def serial_number(self, card: Card) -> Text:
        return code(card.serial)

    @admin.display(description="Code")
    def ending(self, card: Card) -> Text:
        return code(f"…{card.shown_ending}") if card.shown_ending else say("secret")

    @admin.display(description="Batch")
    def of_batch(self, card: Card) -> Text:
        return link(card.batch.promo_code.code, change_url("promos_batch", card.batch_id))

    @admin.display(description="State")
    def state(self, card: Any) -> Text:
        if card.redemption_id:
            return badge("redeemed", "good")
        follows_batch = card.range_status in (None, CardRange.Status.ACTIVE) and not card.range_locked
        if follows_batch or card.batch.status in (Batch.Status.CLOSED, Batch.Status.VOID):
            return batch_badge(card.batch.status)
        return range_badge(card.range_status, locked=card.range_locked)

    @admin.display(description="Customer")
    def customer(self, card: Any) -> Text:
        return link(card.user_id, change_url("billing_customer", card.customer_id)) if card.customer_id else NOTHING

    def facts(self, request: HttpRequest, record: Any) -> Iterable[Fact]:
        yield Fact("State", self.state(record))
        yield Fact("Serial number", self.serial_number(record))
        yield Fact("Code", self.ending(record))
        yield Fact("Batch", self.of_batch(record))
        yield Fact("State of the batch", batch_badge(record.batch.status))
        if record.range_id:
            yield Fact("Range", link(say("show"), change_url("promos_cardrange", record.range_id)))
        yield Fact("Credit", amount(record.batch.promo_code.credit_minor))
        yield Fact("Customer", self.customer(record))
        if record.redemption_id:
            yield Fact("Redemption", link(say("show"), change_url("promos_redemption", record.redemption_id)))

    def panels(self, request: HttpRequest, record: Any) -> Iterable[Panel]:
        if request.user.has_perm("promos.view_refusedattempt"):
            yield attempts_panel(
                RefusedAttempt.objects.filter(card_serial=record.serial), card_serial=str(record.serial)
            )

    def title_of(self, record: Any) -> str:
        return say("Card %(number)s", number=record.serial)
