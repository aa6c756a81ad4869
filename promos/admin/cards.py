"""The pages of cards. They show the last characters of a code, never all of it."""

from collections.abc import Iterable
from typing import Any

from django.contrib import admin
from django.db.models import OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Right
from django.http import HttpRequest

from billing.admin.console.base import ReadOnlyAdmin
from billing.admin.console.display import NOTHING, Fact, Text, amount, badge, change_url, code, link
from promos.models import Batch, Card, Redemption
from promos.models.batch import LAST_CHARACTERS, normal_card_code
from promos.models.redemption import LIVE_STATUSES
from promos.queries import normal_code

_BADGES = {
    Batch.Status.ACTIVE: "good",
    Batch.Status.LOCKED: "warn",
    Batch.Status.VOID: "bad",
    Batch.Status.CLOSED: "plain",
}


def batch_badge(status: str) -> Text:
    """Formats the state of a batch as a badge."""
    return badge(status, _BADGES.get(Batch.Status(status), "info"))


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
        )

    def search_filter(self, term: str) -> Q:
        text = normal_card_code(normal_code(term))
        found = Q(code=text)
        if len(text) == LAST_CHARACTERS:
            found |= Q(pk__in=ending_in(text).values("pk"))
        if (serial := serial_of(text)) is not None:
            found |= Q(pk=serial)
        return found

    @admin.display(description="Serial number")
    def serial_number(self, card: Card) -> Text:
        return code(card.serial)

    @admin.display(description="Code")
    def ending(self, card: Card) -> Text:
        return code(f"…{card.code[-LAST_CHARACTERS:]}")

    @admin.display(description="Batch")
    def of_batch(self, card: Card) -> Text:
        return link(card.batch.promo_code.code, change_url("promos_batch", card.batch_id))

    @admin.display(description="State")
    def state(self, card: Any) -> Text:
        return badge("redeemed", "good") if card.redemption_id else batch_badge(card.batch.status)

    @admin.display(description="Customer")
    def customer(self, card: Any) -> Text:
        return link(card.user_id, change_url("billing_customer", card.customer_id)) if card.customer_id else NOTHING

    def facts(self, request: HttpRequest, record: Any) -> Iterable[Fact]:
        yield Fact("State", self.state(record))
        yield Fact("Serial number", self.serial_number(record))
        yield Fact("Code", self.ending(record))
        yield Fact("Batch", self.of_batch(record))
        yield Fact("State of the batch", batch_badge(record.batch.status))
        yield Fact("Credit", amount(record.batch.promo_code.credit_minor))
        yield Fact("Customer", self.customer(record))
        if record.redemption_id:
            yield Fact("Redemption", link("show", change_url("promos_redemption", record.redemption_id)))

    def title_of(self, record: Any) -> str:
        return f"Card {record.serial}"
