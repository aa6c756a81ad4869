from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from billing.admin.console.acts import confirm_act, find_for_act
from billing.admin.console.base import ReadOnlyAdmin, View
from billing.admin.console.display import Fact, Text, Tool, amount, badge, change_url, code, moment, short_stripe_id
from billing.admin.console.filters import DayRangeFilter
from billing.admin.console.proposed import done_or_proposed
from billing.admin.console.request_actor import actor_of
from billing.admin.console.submission import Done
from billing.admin.ledger import order_link
from orders.models import CardEntry
from orders.use_cases.books.write_off import left_owed, write_off_or_propose

_WRITE_OFF = "orders.add_cardentry"


@admin.register(CardEntry)
class CardEntryAdmin(ReadOnlyAdmin):
    """The list and page of card entries, which are append-only."""

    reads_replica = True
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

    def tools(self, request: HttpRequest, record: Any) -> Iterable[Tool]:
        if record.kind == CardEntry.Kind.OWED and request.user.has_perm(_WRITE_OFF) and left_owed(record):
            yield Tool("Write off", reverse("admin:orders_cardentry_writeoff", args=[record.pk]), "danger")

    def extra_views(self) -> Sequence[tuple[str, str, View]]:
        return [("<uuid:entry_id>/write-off/", "writeoff", self.write_off_view)]

    def write_off_view(self, request: HttpRequest, entry_id: UUID) -> HttpResponse:
        """Asks for a reason, and gives up what a customer owes, or proposes that."""
        entry = find_for_act(self, request, entry_id, permission=_WRITE_OFF)
        here = change_url(self.model_label, entry.pk)

        def write_off(reason: str) -> Done:
            outcome = write_off_or_propose(entry_id=entry.pk, why=reason, by=actor_of(request))
            return done_or_proposed(outcome, request, url=here)

        return confirm_act(
            self,
            request,
            entry,
            name="writeoff",
            title="Write off",
            submit="Write this amount off",
            seen=left_owed(entry),
            lock_state=lambda: left_owed(entry),
            effect=write_off,
            facts=[Fact("Owed", amount(left_owed(entry))), Fact("Order", self.order_named(entry))],
            warning="The customer no longer owes it, and the journal posts it as a loss. This cannot be undone.",
            danger=True,
        )
