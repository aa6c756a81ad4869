"""Breaks: what does not add up between Stripe and us, for a person to look at and to close with a reason."""

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from billing.admin.console.base import ReadOnlyAdmin, View, find_or_404, form_page
from billing.admin.console.display import Fact, Text, Tool, badge, change_url, code, moment, short_stripe_id
from billing.admin.console.forms import ReasonForm, show_refusals_on
from billing.admin.console.request_actor import actor_of
from billing.admin.ledger import order_link
from billing.money import format_money
from orders.models import Break
from orders.use_cases.reconciliation.close_break import close_break

_BREAKS = {
    Break.Kind.OTHER_CURRENCY: "Stripe told an amount in another currency; it was not booked.",
    Break.Kind.AMOUNT_DIFFERS: "Stripe was paid another amount than it was asked for; the order was not completed.",
    Break.Kind.UNKNOWN_OBJECT: "Stripe told of something that none of our orders asked for.",
    Break.Kind.PAID_AFTER_RELEASE: "The money came after what it is for had ended. An order's goes back by itself; a"
    " month's of an ended subscription is refunded at Stripe.",
    Break.Kind.PAID_TWICE: "A second session was paid for an order that is paid. Refund one at Stripe.",
    Break.Kind.DISPUTE: "The card's owner disputes the charge. Answer it at Stripe.",
    Break.Kind.REFUND_FAILED: "Stripe refused a refund. Refund it at Stripe, or pay the customer another way.",
    Break.Kind.REFUND_DIFFERS: "Stripe gave back another amount than is booked. More: --repair books it. Less: the"
    " bank may have returned it; pay the customer another way.",
    Break.Kind.REFUND_NOT_SENT: "A refund was asked for here and Stripe has not made it: is the worker running?"
    " reconcile_stripe --repair asks for it.",
    Break.Kind.RENEWAL_REFUNDED: "Stripe gave back a later month, which our books do not carry. End the subscription"
    " if that was meant.",
    Break.Kind.CREDIT_NOT_SPENT: "A completed order's credit is not in the ledger.",
    Break.Kind.CREDIT_NOT_RETURNED: "An order that is not in effect has spent credit and not given it back.",
    Break.Kind.HOLD_LEFT: "Credit is held for an order that waits for no payment. reconcile_stripe --repair gives it"
    " back, unless the order is complete.",
    Break.Kind.SESSION_STATE_DIFFERS: "A payment is not what Stripe says: reconcile_stripe --repair settles it. If"
    " Stripe does not know it, the keys may be another account's.",
    Break.Kind.SUBSCRIPTION_STATE_DIFFERS: "A subscription is not what Stripe says: reconcile_stripe --repair settles"
    " it. If Stripe does not know it, the keys may be another account's.",
    Break.Kind.STRAY_SESSION: "Stripe has a session that nobody waits for. reconcile_stripe --repair closes it,"
    " unless its order is not known here.",
    Break.Kind.OTHER_ACCOUNT: "Stripe knows nothing of ours: the keys are another account's. What was sold in the"
    " other one goes on there.",
    Break.Kind.STRAY_SUBSCRIPTION: "Stripe goes on charging for what has ended or never began here. reconcile_stripe"
    " --repair cancels it at Stripe, unless its order is not known here.",
    Break.Kind.PAYMENT_NOT_LINKED: "It is not noted which of Stripe's payments settled the order's invoice, so that"
    " refunds would not find the order: reconcile_stripe --repair notes it.",
    Break.Kind.UNKNOWN_CHARGE: "A customer of ours was charged for none of our orders. Refund it at Stripe, or close"
    " this if it was meant.",
    Break.Kind.INVOICE_MISSING: "A month was paid at Stripe and is not in the books: reconcile_stripe --repair books"
    " it.",
}


class OpenFilter(admin.SimpleListFilter):
    """Open breaks, unless all are asked for."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("closed", "Closed"), ("all", "All")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() == "all":
            return queryset
        return queryset.filter(closed_at__isnull=self.value() != "closed")

    def choices(self, changelist: Any) -> Any:
        first, *others = super().choices(changelist)
        return [{**first, "display": "Open"}, *others]


@admin.register(Break)
class BreakAdmin(ReadOnlyAdmin):
    """What a person must look at; closed with a reason, and opened anew where it is still there."""

    noun, nouns = "break", "breaks"
    list_display = ("when", "kind_named", "object_named", "order_named", "state")
    list_filter = (OpenFilter, "kind")
    search_fields = ("object_id",)
    search_help_text = "Stripe's id, or an order's"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Break, Break]:
        return Break.objects.all()

    def search_filter(self, term: str) -> Q:
        try:
            return Q(object_id=term) | Q(order_id=UUID(term))
        except ValueError:
            return Q(object_id=term)

    @admin.display(description="Found (UTC)")
    def when(self, found: Break) -> Text:
        return moment(found.opened_at)

    @admin.display(description="Break")
    def kind_named(self, found: Break) -> Text:
        return _name(found)

    @admin.display(description="Object")
    def object_named(self, found: Break) -> Text:
        return short_stripe_id(found.object_id)

    @admin.display(description="Order")
    def order_named(self, found: Break) -> Text:
        return order_link(found.order_id)

    @admin.display(description="State")
    def state(self, found: Break) -> Text:
        return badge("closed") if found.closed_at else badge("open", "bad")

    def title_of(self, record: Any) -> str:
        return f"{_name(record)} …{record.object_id[-8:]}"

    def facts(self, request: HttpRequest, record: Any) -> Iterable[Fact]:
        yield Fact("State", self.state(record))
        yield Fact("What it means", _BREAKS[Break.Kind(record.kind)])
        yield Fact("Object", code(record.object_id))
        yield Fact("Order", self.order_named(record))
        for name, value in record.details.items():
            yield Fact(name.capitalize(), _detail(record, name, value))
        yield Fact("Found (UTC)", self.when(record))
        yield Fact("Closed (UTC)", moment(record.closed_at))
        yield Fact("Closed by", code(record.closed_by))

    def tools(self, request: HttpRequest, record: Any) -> Iterable[Tool]:
        if record.closed_at is None and request.user.has_perm("orders.change_break"):
            yield Tool("Close", reverse("admin:orders_break_close", args=[record.pk]))

    def extra_views(self) -> Sequence[tuple[str, str, View]]:
        return [("<uuid:break_id>/close/", "close", self.close_view)]

    def close_view(self, request: HttpRequest, break_id: UUID) -> HttpResponse:
        """Asks what was done about it, and closes it."""
        if not request.user.has_perm("orders.change_break"):
            raise PermissionDenied
        found = find_or_404(self, request, str(break_id))
        form = ReasonForm(request.POST if request.method == "POST" else None)
        here = change_url(self.model_label, found.pk)
        if form.is_valid():
            with show_refusals_on(form):
                close_break(break_id=found.pk, why=form.cleaned_data["reason"], by=actor_of(request))
                messages.success(request, "The break is closed.")
                return HttpResponseRedirect(here)
        return form_page(
            self,
            request,
            title="Close",
            form=form,
            submit="Close this break",
            back=here,
            parent=(self.title_of(found), here),
            facts=[Fact("Break", _name(found)), Fact("Object", code(found.object_id))],
            warning="Close it when it was dealt with. If it is still there and can be repaired, it is opened again.",
        )


def _name(found: Break) -> str:
    return found.kind.replace("_", " ").capitalize()


def _detail(found: Break, name: str, value: Any) -> Text:
    """Whole numbers among the details are amounts; one that Stripe told is in the currency that it told."""
    if not isinstance(value, int):
        return str(value).replace("_", " ")
    ours = settings.SOVEREIGN_CURRENCY
    told = str(found.details.get("currency") or ours).upper()
    return format_money(value, currency=told if name in _TOLD else ours)


_TOLD = ("amount", "told")
