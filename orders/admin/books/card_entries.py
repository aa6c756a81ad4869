from collections.abc import Iterable
from typing import Any
from uuid import UUID

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest

from billing.admin.console.base import ReadOnlyAdmin
from billing.admin.console.display import Fact, Text, amount, badge, code, moment, short_stripe_id
from billing.admin.console.filters import DayRangeFilter
from billing.admin.ledger import order_link
from orders.models import CardEntry


@admin.register(CardEntry)
class CardEntryAdmin(ReadOnlyAdmin):
    """The list and page of card entries, which are append-only."""

    noun, nouns = "card entry", "card entries"
    list_display = ("when", "kind_named", "moved", "order_named", "object_named")
    list_filter = ("kind", ("created_at", DayRangeFilter))
    list_filter_submit = True
    narrow_by = {"order_id": "order"}
    search_fields = ("stripe_object_id",)
    search_help_text = "Order id; Stripe's id of the session, invoice or dispute"
    time_field = "created_at"

    def get_queryset(self, request: HttpRequest) -> QuerySet[CardEntry, CardEntry]:
        return CardEntry.objects.all()

    def search_filter(self, term: str) -> Q:
        try:
            return Q(order_id=UUID(term))
        except ValueError:
            return Q(stripe_object_id=term)

    @admin.display(description="Time")
    def when(self, entry: CardEntry) -> Text:
        return moment(entry.created_at)

    @admin.display(description="Kind")
    def kind_named(self, entry: CardEntry) -> Text:
        return badge(entry.get_kind_display())

    @admin.display(description="Amount")
    def moved(self, entry: CardEntry) -> Text:
        return amount(entry.amount_minor, signed=True)

    @admin.display(description="Order")
    def order_named(self, entry: CardEntry) -> Text:
        return order_link(entry.order_id)

    @admin.display(description="At Stripe")
    def object_named(self, entry: CardEntry) -> Text:
        return short_stripe_id(entry.stripe_object_id)

    def facts(self, request: HttpRequest, record: Any) -> Iterable[Fact]:
        yield Fact("Kind", self.kind_named(record))
        yield Fact("Amount", self.moved(record))
        yield Fact("Total of this kind", amount(record.total_minor, signed=True))
        yield Fact("Order", self.order_named(record))
        yield Fact("At Stripe", code(record.stripe_object_id))
        yield Fact("Time", self.when(record))
