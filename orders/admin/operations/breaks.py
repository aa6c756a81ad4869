"""Breaks: discrepancies between Stripe and our books, which staff resolve and close with a reason."""

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from billing.admin.console.acts import confirm_act, find_for_act
from billing.admin.console.base import ReadOnlyAdmin, View
from billing.admin.console.display import NOTHING, Fact, Text, Tool, badge, change_url, code, moment, short_stripe_id
from billing.admin.console.filters import OpenFilter
from billing.admin.console.people import name_of
from billing.admin.console.request_actor import actor_of
from billing.admin.console.submission import Done
from billing.admin.ledger import order_link
from billing.language import say
from billing.money import format_money
from orders.locks import lock_break
from orders.models import Break
from orders.use_cases.reconciliation.close_break import close_break

_EXPLANATIONS = {
    Break.Kind.OTHER_CURRENCY: "Stripe reported an amount in another currency. It was not booked.",
    Break.Kind.AMOUNT_DIFFERS: "The amount paid at Stripe is not the amount requested. The order was not completed.",
    Break.Kind.UNKNOWN_OBJECT: "Stripe reported an object that belongs to none of our orders.",
    Break.Kind.PAID_AFTER_RELEASE: "A payment arrived after its order or subscription had ended. An order's payment"
    " is refunded automatically. Refund a subscription's month at Stripe.",
    Break.Kind.PAID_TWICE: "A second session of a paid order was paid. Refund one of the two at Stripe.",
    Break.Kind.DISPUTE: "The cardholder disputes the charge. Answer the dispute at Stripe. The card entries"
    " say what the bank took, and what the customer owes if the dispute is lost.",
    Break.Kind.REFUND_FAILED: "Stripe refused a refund. Refund it at Stripe, or pay the customer another way.",
    Break.Kind.REFUND_DIFFERS: "Stripe refunded another amount than is booked. If it refunded more, reconcile_stripe"
    " --repair books it. If it refunded less, the customer's bank may have returned the refund: pay the customer"
    " another way.",
    Break.Kind.REFUND_BEYOND_ORDER: "Stripe refunded more than was left of an order, for example because a change of"
    " plan had credited its unused month. Adjust the customer's credit if the customer should not keep both.",
    Break.Kind.REFUND_NOT_SENT: "A refund was requested here, and Stripe has not made it. Check that the worker is"
    " running. reconcile_stripe --repair sends the refund.",
    Break.Kind.RENEWAL_REFUNDED: "A later month was refunded at Stripe. The card entries record it. End the"
    " subscription if it should end.",
    Break.Kind.CREDIT_NOT_SPENT: "The ledger holds no spend for the credit of a completed order.",
    Break.Kind.CREDIT_NOT_RETURNED: "An order that is not in effect has spent credit and not returned it.",
    Break.Kind.HOLD_LEFT: "Credit is held for an order that waits for no payment. reconcile_stripe --repair releases"
    " it, unless the order is complete.",
    Break.Kind.SESSION_STATE_DIFFERS: "A payment has another state here than at Stripe. reconcile_stripe --repair"
    " settles it. If Stripe does not know the session, the keys may be another account's: the run then cancels the"
    " order. A payment that still arrives is refunded.",
    Break.Kind.SUBSCRIPTION_STATE_DIFFERS: "A subscription has another state here than at Stripe. reconcile_stripe"
    " --repair settles it. If Stripe does not know the subscription, the keys may be another account's.",
    Break.Kind.STRAY_SESSION: "Stripe has a session that no order waits for. reconcile_stripe --repair closes it,"
    " unless its order is not known here.",
    Break.Kind.OTHER_ACCOUNT: "Stripe knows none of our objects: the keys are another account's. Subscriptions of the"
    " previous account continue there.",
    Break.Kind.STRAY_SUBSCRIPTION: "Stripe charges for a subscription that has ended, or never started, here."
    " reconcile_stripe --repair cancels it at Stripe, unless its order is not known here.",
    Break.Kind.PAYMENT_NOT_LINKED: "The order does not name the payment that settled its invoice, so events of"
    " refunds would not find the order. reconcile_stripe --repair stores the link.",
    Break.Kind.UNKNOWN_CHARGE: "A customer of ours was charged, but not for any of our orders. Refund the charge at"
    " Stripe, or close this break if the charge was intended.",
    Break.Kind.EVENT_NOT_SETTLED: "An event of Stripe could not be settled here and is set aside. The worker's log"
    " names the error. reconcile_stripe --repair tries it again, for example after an update of this service.",
    Break.Kind.EVENT_NOT_MIRRORED: "What an event of Stripe is about could not be copied for staff: the console may"
    " show older copies. Orders and books do not depend on them. The event is set aside, and the worker's log names"
    " the error. reconcile_stripe --repair tries it again.",
    Break.Kind.INVOICE_NOT_FOLLOWED: "The customer paid an invoice that is no month of the subscription (a change or"
    " an item that was added at Stripe), or whose lines Stripe does not know any more. It is not in our books. Check"
    " it at Stripe.",
    Break.Kind.SUBSCRIPTION_CHANGED: "Price, quantity or interval of a subscription were changed at Stripe, which our"
    " order does not follow. Change it back at Stripe, or let the customer order the other plan. If a month began at"
    " Stripe before Stripe had the price of a new rate of VAT, that month keeps the old price: close this break.",
    Break.Kind.FEE_MISSING: "Stripe took a fee that is not in the books. The worker books fees every hour at least:"
    " check that it is running. reconcile_stripe --repair books the fee.",
    Break.Kind.PAYOUT_MISSING: "Stripe paid out, or took back a payout, and the books do not have it. Check that the"
    " worker is running. reconcile_stripe --repair books it.",
    Break.Kind.PAYOUT_RETURNED: "The bank returned a payout, and the money is in Stripe's balance again. Check the"
    " bank account in Stripe's dashboard.",
    Break.Kind.BALANCE_DIFFERS: "A fee or payout has another amount in the books than at Stripe, or Stripe does not"
    " know it: the keys may be another account's. An entry never changes; report it.",
    Break.Kind.BALANCE_NOT_EXPLAINED: "Stripe moved its balance for a reason that the books do not have, such as a"
    " top-up or a reserve. Post it in your accounts, and close this break.",
    Break.Kind.INVOICE_MISSING: "A month was paid at Stripe and is not in the books. reconcile_stripe --repair books"
    " it.",
}


@admin.register(Break)
class BreakAdmin(ReadOnlyAdmin):
    """The list and page of breaks. A run opens a closed break again if it is still there and can be repaired."""

    noun, nouns = "break", "breaks"
    list_display = ("when", "kind_named", "object_named", "order_named", "state")
    list_filter = (OpenFilter, "kind")
    search_fields = ("object_id",)
    search_help_text = "Stripe's id, or an order's"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Break, Break]:
        return Break.objects.annotate(closer_name=name_of("closed_by"))

    def search_filter(self, term: str) -> Q:
        try:
            return Q(object_id=term) | Q(order_id=UUID(term))
        except ValueError:
            return Q(object_id=term)

    @admin.display(description="Found")
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
        # A later release may have found it.
        if record.kind in _EXPLANATIONS:
            yield Fact("What it means", say(_EXPLANATIONS[Break.Kind(record.kind)]))
        yield Fact("Object", code(record.object_id))
        yield Fact("Order", self.order_named(record))
        for name, value in record.details.items():
            yield Fact(name.capitalize(), _detail(record, name, value))
        yield Fact("Found", self.when(record))
        yield Fact("Closed", moment(record.closed_at))
        yield Fact("Closed by", record.closer_name or NOTHING)

    def tools(self, request: HttpRequest, record: Any) -> Iterable[Tool]:
        if record.closed_at is None and request.user.has_perm("orders.change_break"):
            yield Tool("Close", reverse("admin:orders_break_close", args=[record.pk]))

    def extra_views(self) -> Sequence[tuple[str, str, View]]:
        return [("<uuid:break_id>/close/", "close", self.close_view)]

    def close_view(self, request: HttpRequest, break_id: UUID) -> HttpResponse:
        """Asks for the reason, and closes the break."""
        found = find_for_act(self, request, break_id, permission="orders.change_break")

        def close(reason: str) -> Done:
            close_break(break_id=found.pk, why=reason, by=actor_of(request))
            return Done("The break was closed.", change_url(self.model_label, found.pk))

        return confirm_act(
            self,
            request,
            found,
            name="close",
            title="Close",
            submit="Close this break",
            seen=found.closed_at,
            lock_state=lambda: lock_break(break_id=found.pk).closed_at,
            effect=close,
            facts=[Fact("Break", _name(found)), Fact("Object", code(found.object_id))],
            warning="Close a break after you have resolved it. If a run finds it again and can repair it, it"
            " is opened again.",
        )


def _name(found: Break) -> str:
    return found.kind.replace("_", " ").capitalize()


def _detail(found: Break, name: str, value: Any) -> Text:
    """Formats a detail. A whole number is an amount; Stripe's amounts are in the currency that the details name."""
    if not isinstance(value, int):
        return str(value).replace("_", " ")
    ours = settings.SOVEREIGN_CURRENCY
    theirs = str(found.details.get("currency") or ours).upper()
    return format_money(value, currency=theirs if name in _STRIPE_AMOUNTS else ours)


# The details that hold an amount of Stripe's.
_STRIPE_AMOUNTS = ("amount", "paid")
