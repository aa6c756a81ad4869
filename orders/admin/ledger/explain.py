"""The page that explains a customer's balance lot by lot, or what paid an order or a month."""

from collections.abc import Iterable, Mapping
from itertools import chain
from typing import Any
from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from billing.admin.console.display import (
    NOTHING,
    Column,
    Fact,
    Panel,
    Text,
    Tool,
    amount,
    change_url,
    code,
    link,
    list_url,
    moment,
    short_id,
    state_badge,
)
from billing.admin.console.people import names_of
from billing.admin.console.request_actor import actor_of
from billing.admin.ledger import customer_link
from billing.errors import CustomerNotFound
from billing.language import say
from orders.admin.ledger.past import position_facts
from orders.errors import InvoiceNotFound, OrderNotFound
from orders.use_cases.customers.plan_merge import find_customer
from orders.use_cases.ledger.explain import (
    ExplainedBalance,
    ExplainedLot,
    ExplainedOrder,
    Origin,
    explain_balance,
    explain_month,
    explain_order,
)
from orders.use_cases.statements.hand_out_explanation import hand_out_explanation


def explain_page(admin: Any, request: HttpRequest) -> HttpResponse:
    """Explains the balance of `customer`, a user id, or what paid `order` or the month of `invoice`.

    With `pdf` as a file. Raises: Http404.
    """
    try:
        explained = _explain(request)
    except (CustomerNotFound, OrderNotFound, InvoiceNotFound, ValueError) as error:
        raise Http404 from error
    if "pdf" in request.GET:
        return _file(hand_out_explanation(explained, by=actor_of(request)))
    if isinstance(explained, ExplainedOrder):
        title = "What paid this month" if explained.month else "What paid this order"
        facts, panels = [*_order_facts(explained)], [_sources_panel(explained), _card_panel(explained)]
    else:
        title = "Where this balance comes from"
        facts = [Fact("Customer", customer_link(explained.customer)), *position_facts(explained.position)]
        names = _names(each.origin for each in explained.lots)
        panels = [_lot_panel(each, names) for each in explained.lots]
    context = {
        **admin.admin_site.each_context(request),
        "title": say(title),
        "crumbs": [(say("Ledger"), list_url(admin.model_label)), (say(title), "")],
        "facts": facts,
        "links": [Tool("Download the PDF", f"?{request.GET.urlencode()}&pdf=1")],
        "panels": panels,
    }
    return TemplateResponse(request, "admin/console_page.html", context)


def _explain(request: HttpRequest) -> ExplainedOrder | ExplainedBalance:
    if "order" in request.GET:
        return explain_order(UUID(request.GET["order"]))
    if "invoice" in request.GET:
        return explain_month(UUID(request.GET["invoice"]))
    return explain_balance(find_customer(user_id=request.GET.get("customer", "")))


def _file(content: bytes) -> HttpResponse:
    headers = {"Content-Disposition": 'inline; filename="explanation.pdf"', "Cache-Control": "private, no-store"}
    return HttpResponse(content, content_type="application/pdf", headers=headers)


def _lot_panel(explained: ExplainedLot, names: Mapping[str, str]) -> Panel:
    """Returns one lot: its origin as facts, and its uses as a table."""
    lot = explained.lot
    expires = moment(lot.expires_at) if lot.expires_at else say("never")
    return Panel(
        title=say("Credit from %(origin)s", origin=explained.origin.code or explained.origin.reason),
        facts=[
            Fact("Left", amount(lot.left_minor)),
            Fact("Held", amount(lot.held_minor)),
            Fact("Brought", amount(lot.brought_minor)),
            Fact("Class", say(lot.credit_class)),
            Fact("Expires", expires),
            *_origin_facts(explained.origin, names),
        ],
        columns=[
            Column("Time"),
            Column("Used for"),
            Column("Organization"),
            Column("Order"),
            Column("Part", right=True),
        ],
        rows=[
            (
                link(moment(use.at), change_url("billing_ledgerentry", use.entry_id)),
                code(use.reason),
                use.organization or NOTHING,
                _order(use.order_id),
                amount(use.part_minor),
            )
            for use in explained.uses
        ],
        empty="Nothing was paid from it yet.",
    )


def _order(order_id: UUID | None) -> Text:
    if order_id is None:
        return NOTHING
    return link(short_id(order_id), f"?order={order_id}")


def _names(origins: Iterable[Origin]) -> dict[str, str]:
    """Returns the names of those who posted, issued and approved the credit, by user id; one query."""
    ids = [(each.actor_id, each.issued_by, each.batch_approved_by, each.campaign_approved_by) for each in origins]
    return {"": "", **names_of(filter(None, chain.from_iterable(ids)))}


def _origin_facts(origin: Origin, names: Mapping[str, str]) -> Iterable[Fact]:
    yield Fact("Ledger entry", link(moment(origin.at), change_url("billing_ledgerentry", origin.entry_id)))
    yield Fact("Reason", code(origin.reason))
    if origin.note:
        yield Fact("Note", origin.note)
    yield Fact("Posted by", names[origin.actor_id])
    if origin.redemption_id is None:
        return
    yield Fact(
        "Redemption", link(short_id(origin.redemption_id), change_url("promos_redemption", origin.redemption_id))
    )
    yield Fact("Batch" if origin.batch else "Voucher", code(origin.code))
    if origin.card_serial is not None:
        yield Fact("Card", f"{origin.card_serial}")
    yield Fact("Issued by", names[origin.issued_by or ""])
    if origin.batch:
        yield Fact("Batch approved by", names[origin.batch_approved_by or ""])
    yield Fact("Campaign", link(origin.campaign, change_url("promos_campaign", origin.campaign_id)))
    yield Fact("Campaign approved by", names[origin.campaign_approved_by or ""] or NOTHING)


def _order_facts(explained: ExplainedOrder) -> Iterable[Fact]:
    order = explained.order
    yield Fact("Order", link(short_id(order.pk), change_url("orders_order", order.pk)))
    yield Fact("Customer", customer_link(order.customer))
    yield Fact("Organization", order.organization.name)
    yield Fact("State", state_badge(order.status))
    if explained.month:
        yield Fact("Invoice", link(short_id(explained.month.pk), change_url("billing_invoice", explained.month.pk)))
    if explained.month or order.renews_id:
        yield Fact("Month from", moment(explained.month.period_start if explained.month else order.period_start))
    yield Fact("Total", amount(explained.total_minor))
    yield Fact("Paid from credit", amount(explained.credit_minor))
    if explained.given_back_minor:
        yield Fact("Given back", amount(explained.given_back_minor))
    yield Fact("By card", amount(explained.due_by_card_minor))


def _sources_panel(explained: ExplainedOrder) -> Panel:
    names = _names(each.origin for each in explained.sources)
    return Panel(
        title="Credit that paid it",
        columns=[
            Column("Brought"),
            Column("Reason"),
            Column("Voucher or batch"),
            Column("Campaign"),
            Column("Issued by"),
            Column("Part", right=True),
        ],
        rows=[
            (
                link(moment(origin.at), change_url("billing_ledgerentry", origin.entry_id)),
                code(origin.reason),
                code(origin.code) if origin.code else NOTHING,
                origin.campaign or NOTHING,
                names[origin.issued_by or ""] or NOTHING,
                amount(source.part_minor),
            )
            for source in explained.sources
            for origin in [source.origin]
        ],
        empty="No credit paid it.",
    )


def _card_panel(explained: ExplainedOrder) -> Panel:
    return Panel(
        title="Card payments and refunds",
        columns=[Column("Time"), Column("Kind"), Column("At Stripe"), Column("Amount", right=True)],
        rows=[
            (
                link(moment(entry.created_at), change_url("orders_cardentry", entry.pk)),
                say(entry.get_kind_display()),
                code(entry.stripe_object_id),
                amount(entry.amount_minor),
            )
            for entry in explained.card
        ],
        empty="No card paid it.",
    )
