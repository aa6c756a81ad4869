"""Orders with their lines, and links to their redemption, ledger entries and customer."""

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any
from uuid import UUID

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html

from billing.admin.audit import name_channel
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
    short_id,
    short_stripe_id,
    state_badge,
    two_lines,
    unbroken,
)
from billing.admin.console.filters import DayRangeFilter
from billing.admin.ledger import ENTRY_COLUMNS, PROPOSE_PERMISSION, customer_link, entry_rows, keys_of_customers
from billing.language import name_role, say
from billing.models import LedgerEntry, Subscription
from orders.admin.books.issued_documents import documents_panel
from orders.admin.mails import mail_view, mails_view
from orders.admin.order_acts import close_view, has_open_payment, refund_view
from orders.admin.organizations import keys_of_organizations, organization_link
from orders.admin.payments import refunds_panel, waiting_panel
from orders.models import App, Order, OrderLine, OutboxEvent, Payment
from orders.queries.items import item_names
from orders.queries.orders import open_payments, orders_for_staff
from promos.models import Redemption
from promos.models.secret_code import HASH_MARK

_NEWEST = 5


@admin.register(Order)
class OrderAdmin(ReadOnlyAdmin):
    """The list and page of orders."""

    list_display = (
        "when",
        "whose",
        "state",
        "voucher",
        "total_amount",
        "credit_amount",
        "due_amount",
    )
    list_filter = ("status", ("created_at", DayRangeFilter))
    list_filter_submit = True
    list_select_related = ("customer", "organization")
    narrow_by = {
        "customer__user_id": "customer",
        "organization__slug": "organization",
        "promo_code": "voucher",
    }
    search_fields = ("id",)
    search_help_text = "Order id; organization's address; customer's e-mail or user id; voucher's code"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Order, Order]:
        return orders_for_staff().select_related("customer", "organization")

    def search_filter(self, term: str) -> Q:
        of_organization = Q(organization__in=keys_of_organizations(term.lower()))
        found = of_organization | Q(customer__in=keys_of_customers(term)) | Q(promo_code=term.upper())
        try:
            return found | Q(pk=UUID(term))
        except ValueError:
            return found

    @admin.display(description="Time")
    def when(self, order: Order) -> Text:
        return two_lines(moment(order.created_at), short_id(order.pk))

    @admin.display(description="Customer")
    def customer_named(self, order: Order) -> Text:
        return customer_link(order.customer)

    @admin.display(description="Organization")
    def organization_named(self, order: Order) -> Text:
        return organization_link(order.organization)

    @admin.display(description="Customer")
    def whose(self, order: Order) -> Text:
        return two_lines(self.customer_named(order), self.organization_named(order))

    @admin.display(description="State")
    def state(self, order: Order) -> Text:
        return state_badge(order.status)

    @admin.display(description="Voucher")
    def voucher(self, order: Any) -> Text:
        """Returns the code as it was on the day of the order; struck through where it was retired after that."""
        if not order.promo_code_id:
            return NOTHING
        text = code(order.promo_code)
        if order.promo_code.startswith(HASH_MARK):
            return badge("secret card")
        if order.promo_is_card:
            return link(text, list_url("promos_card", q=order.promo_code))
        if order.promo_deleted:
            text = format_html('<span class="struck">{}</span> {}', text, badge("retired", "bad"))
        return link(text, change_url("promos_promocode", order.promo_code_id))

    @admin.display(description="Total")
    def total_amount(self, order: Order) -> Text:
        return amount(order.total_minor)

    @admin.display(description="Credit")
    def credit_amount(self, order: Order) -> Text:
        return amount(order.credit_applied_minor)

    @admin.display(description="By card")
    def due_amount(self, order: Order) -> Text:
        return amount(order.amount_due_minor)

    def facts(self, request: HttpRequest, record: Any) -> Iterable[Fact]:
        yield Fact("State", self.state(record))
        yield Fact("Customer", self.customer_named(record))
        yield Fact("Organization", self.organization_named(record))
        yield Fact("Voucher", self.voucher(record))
        if record.bundle:
            yield Fact(
                "Bundle",
                say(
                    "%(title)s, %(percent)s percent off",
                    title=record.bundle["name"],
                    percent=record.bundle["percent"],
                ),
            )
        yield Fact("Total", amount(record.total_minor))
        credit_title, card_title = _PART_TITLES.get(record.status, _UNPAID_PART_TITLES)
        yield Fact(credit_title, amount(record.credit_applied_minor))
        yield Fact(card_title, amount(record.amount_due_minor))
        yield Fact("Placed", moment(record.created_at))
        yield Fact("Completed", moment(record.completed_at))
        if record.renews_id:
            yield Fact("Renews", link(say("subscription"), change_url("billing_subscription", record.renews_id)))
            yield Fact("Month from", moment(record.period_start))
        yield Fact("Apps", say(", ").join(item_names(App, record.apps)) or NOTHING)
        yield Fact("Placed by", f"{name_role(record.placed_by_role)}{say(', ')}{name_channel(record.channel)}")
        yield Fact("Address", record.address or NOTHING)
        yield Fact("Order id", code(record.pk))

    def panels(self, request: HttpRequest, record: Any) -> Iterable[Panel]:
        if record.status == Order.Status.PENDING:
            for waiting in open_payments().filter(order=record):
                yield waiting_panel(request, waiting, names_order=False)
        lines = OrderLine.objects.filter(order=record).order_by("position")
        yield Panel(
            title="Lines",
            columns=[Column("Item"), Column("Kind"), Column("Reference"), Column("Per month", right=True)],
            rows=[
                (line.name, unbroken(say(_KINDS[line.kind])), code(line.slug), amount(line.price_minor))
                for line in lines
            ],
            empty="The order has no lines.",
        )
        yield _redemptions_panel(record)
        entries = LedgerEntry.objects.filter(account_id=record.customer_id, order_id=record.pk)
        yield Panel(
            title="Ledger",
            columns=ENTRY_COLUMNS,
            rows=entry_rows(entries.order_by("version")),
            empty="The order moved no credit.",
        )
        payment = Payment.objects.filter(order=record).first()
        if payment is not None:
            yield _payment_panel(payment)
            if payment.paid_at:
                yield refunds_panel(payment)
        yield documents_panel(record)
        yield _consequences_panel(record)

    def links(self, record: Any) -> Iterable[Tool]:
        yield Tool("Explain what paid it", f"{reverse('admin:billing_ledgerentry_explain')}?order={record.pk}")

    def tools(self, request: HttpRequest, record: Any) -> Iterable[Tool]:
        if record.status == Order.Status.COMPLETED and request.user.has_perm(PROPOSE_PERMISSION):
            yield Tool("Refund", reverse("admin:orders_order_refund", args=[record.pk]), "danger")
        if request.user.has_perm("orders.add_refund") and has_open_payment(record):
            yield Tool("Close the payment", reverse("admin:orders_order_close", args=[record.pk]), "danger")

    def extra_views(self) -> Sequence[tuple[str, str, View]]:
        return [
            ("<uuid:order_id>/refund/", "refund", partial(refund_view, self)),
            ("<uuid:order_id>/close/", "close", partial(close_view, self)),
        ]

    def reading_views(self) -> Sequence[tuple[str, str, View]]:
        return [("mails/", "mails", mails_view), ("mails/<slug:mail>/<slug:language>/", "mail", mail_view)]


# The titles of the two parts of an order's total, by the order's state.
_PART_TITLES = {
    Order.Status.PENDING: ("From credit, held", "Due by card"),
    Order.Status.COMPLETED: ("Paid from credit", "Paid by card"),
    Order.Status.REFUNDED: ("Paid from credit", "Paid by card"),
}
_UNPAID_PART_TITLES = ("From credit, not taken", "By card, not taken")


_KINDS: dict[str, str] = {OrderLine.Kind.PLAN: "Plan", OrderLine.Kind.ADDON: "Add-on"}


def _payment_panel(payment: Payment) -> Panel:
    return Panel(
        title="Card payment",
        columns=[Column("Requested"), Column("State"), Column("Session"), Column("Amount", right=True)],
        rows=[
            (
                link(moment(payment.requested_at), change_url("orders_payment", payment.pk)),
                state_badge(payment.status),
                short_stripe_id(payment.session_id) if payment.session_id else NOTHING,
                amount(payment.amount_minor),
            )
        ],
        empty="",
    )


def orders_panel() -> Panel:
    """Builds the panel of the newest orders; one query."""
    return Panel(
        title="Newest orders",
        columns=[
            Column("Time"),
            Column("Customer"),
            Column("Organization"),
            Column("State"),
            Column("Total", right=True),
        ],
        rows=[
            (
                link(moment(each.created_at), change_url("orders_order", each.pk)),
                customer_link(each.customer),
                organization_link(each.organization),
                state_badge(each.status),
                amount(each.total_minor),
            )
            for each in Order.objects.select_related("customer", "organization").order_by("-created_at", "-id")[
                :_NEWEST
            ]
        ],
        empty="No order was placed yet.",
        more_title="All orders",
        more_url=list_url("orders_order"),
    )


def _redemptions_panel(order: Order) -> Panel:
    return Panel(
        title="Redemption",
        columns=[Column("Time"), Column("State"), Column("Voucher"), Column("Credit", right=True)],
        rows=[
            (
                link(moment(each.reserved_at), change_url("promos_redemption", each.pk)),
                state_badge(each.status),
                code(order.promo_code),
                amount(each.credit_minor),
            )
            for each in Redemption.objects.filter(order_id=order.pk).order_by("pk")
        ],
        empty="No voucher was redeemed with this order.",
    )


def _consequences_panel(order: Order) -> Panel:
    subscriptions = Subscription.objects.filter(order_id=order.pk)
    events = OutboxEvent.objects.filter(order_id=order.pk, type="order.placed")
    rows = [
        (
            link(say("subscription"), change_url("billing_subscription", each.pk)),
            state_badge(each.status),
            moment(each.canceled_at or each.created_at),
        )
        for each in subscriptions
    ] + [
        (
            link(each.type, change_url("orders_outboxevent", each.pk)),
            state_badge("delivered" if each.delivered_at else "pending"),
            moment(each.created_at),
        )
        for each in events
    ]
    return Panel(
        title="What followed",
        columns=[Column("What"), Column("State"), Column("Time")],
        rows=rows,
        empty="Nothing yet.",
    )
