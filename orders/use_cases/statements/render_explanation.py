"""Renders the explanation of a balance, or of what paid an order, as a PDF for staff, in the active language."""

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING

from django.conf import settings
from django.utils.translation import gettext as _

from billing.language import say
from billing.local_time import local_text
from billing.money import format_money
from orders.use_cases.ledger.explain import ExplainedBalance, ExplainedLot, ExplainedOrder, Origin

if TYPE_CHECKING:
    from orders.use_cases.documents.sheet import Sheet

_USES = (0.2, 0.42, 0.22, 0.16)
_SOURCES = (0.22, 0.26, 0.34, 0.18)
_CARD = (0.22, 0.14, 0.46, 0.18)


def render_balance_explanation(explained: ExplainedBalance, *, made_at: datetime) -> bytes:
    """Renders a balance, lot by lot: where each came from, and what it paid. No query."""
    from orders.use_cases.documents.sheet import Sheet  # noqa: PLC0415

    sheet = Sheet(title=_("Where this balance comes from"), made_at=made_at)
    sheet.heading(_("Where this balance comes from"), large=True)
    position = explained.position
    sheet.rows(
        [
            (_("Customer"), str(explained.customer)),
            (_("User id"), explained.customer.user_id),
            (_("As of"), f"{local_text(made_at)} ({settings.SOVEREIGN_TIME_ZONE})"),
            (_("Held"), _money(position.held_minor)),
            (_("Balance"), _money(position.balance_minor)),
        ],
        last_is_total=True,
    )
    for lot in explained.lots:
        _write_lot(sheet, lot)
    return sheet.to_bytes()


def render_order_explanation(explained: ExplainedOrder, *, made_at: datetime) -> bytes:
    """Renders an order or a month, and what paid it. No query."""
    from orders.use_cases.documents.sheet import Sheet  # noqa: PLC0415

    order, month = explained.order, explained.month
    title = _("What paid this month") if month else _("What paid this order")
    sheet = Sheet(title=title, made_at=made_at)
    sheet.heading(title, large=True)
    sheet.rows(
        [
            *([(_("Invoice"), str(month.pk)), (_("Month from"), local_text(month.period_start))] if month else []),
            (_("Order"), str(order.pk)),
            (_("Customer"), str(order.customer)),
            (_("Organization"), order.organization.name),
            (_("State"), _(order.status)),
            (_("As of"), f"{local_text(made_at)} ({settings.SOVEREIGN_TIME_ZONE})"),
            (_("Paid from credit"), _money(explained.credit_minor)),
            (_("By card"), _money(explained.due_by_card_minor)),
            (_("Total"), _money(explained.total_minor)),
        ],
        last_is_total=True,
    )
    if explained.given_back_minor:
        sheet.rows([(_("Given back"), _money(explained.given_back_minor))])
    rows = [
        (local_text(source.origin.at), _voucher(source.origin), _issuer(source.origin), _money(source.part_minor))
        for source in explained.sources
    ]
    if rows:
        head = (_("Brought"), _("Voucher or reason"), _("Campaign, issued by"), _("Part"))
        sheet.columns([head, *rows], widths=_SOURCES, amounts=1)
    paid = [
        (
            local_text(entry.created_at),
            _(entry.get_kind_display()),
            entry.stripe_object_id,
            _money(entry.amount_minor),
        )
        for entry in explained.card
    ]
    if paid:
        sheet.columns([(_("Time"), _("Card"), _("At Stripe"), _("Amount")), *paid], widths=_CARD, amounts=1)
    return sheet.to_bytes()


def _write_lot(sheet: "Sheet", explained: ExplainedLot) -> None:
    lot = explained.lot
    sheet.heading(say("Credit from %(origin)s", origin=_voucher(explained.origin)))
    sheet.rows(
        [
            *_origin_rows(explained.origin),
            (_("Class"), _(lot.credit_class)),
            (_("Expires"), local_text(lot.expires_at) if lot.expires_at else _("never")),
            (_("Brought"), _money(lot.brought_minor)),
            (_("Left"), _money(lot.left_minor)),
        ],
        last_is_total=True,
    )
    rows = [
        (local_text(use.at), str(use.order_id or use.reason), use.organization or "", _money(use.part_minor))
        for use in explained.uses
    ]
    if rows:
        sheet.columns(
            [(_("Time"), _("Order or reason"), _("Organization"), _("Part")), *rows], widths=_USES, amounts=1
        )


def _origin_rows(origin: Origin) -> Iterator[tuple[str, str]]:
    yield _("Ledger entry"), f"{origin.entry_id}, {local_text(origin.at)}"
    facts = {
        _("Note"): origin.note,
        _("Posted by"): origin.actor_id,
        _("Card"): origin.card_serial,
        _("Issued by"): origin.issued_by,
        _("Batch approved by"): origin.batch_approved_by,
        _("Campaign"): origin.campaign,
        _("Campaign approved by"): origin.campaign_approved_by,
    }
    yield from ((name, str(value)) for name, value in facts.items() if value not in (None, ""))


def _voucher(origin: Origin) -> str:
    return origin.code or origin.reason


def _issuer(origin: Origin) -> str:
    return ", ".join(text for text in (origin.campaign, origin.issued_by) if text)


def _money(minor: int) -> str:
    return format_money(minor, currency=settings.SOVEREIGN_CURRENCY)
