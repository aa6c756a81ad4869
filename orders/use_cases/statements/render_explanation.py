"""Renders the explanation of a balance, or of what paid an order, as a PDF for staff, in the console's English."""

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING

from django.conf import settings
from django.utils.translation import override

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

    with override("en"):
        sheet = Sheet(title="Where this balance comes from", made_at=made_at)
        sheet.heading("Where this balance comes from", large=True)
        position = explained.position
        sheet.rows(
            [
                ("Customer", str(explained.customer)),
                ("User id", explained.customer.user_id),
                ("As of", f"{local_text(made_at)} ({settings.SOVEREIGN_TIME_ZONE})"),
                ("Held", _money(position.held_minor)),
                ("Balance", _money(position.balance_minor)),
            ],
            last_is_total=True,
        )
        for lot in explained.lots:
            _write_lot(sheet, lot)
        return bytes(sheet.output())


def render_order_explanation(explained: ExplainedOrder, *, made_at: datetime) -> bytes:
    """Renders an order or a month, and what paid it. No query."""
    from orders.use_cases.documents.sheet import Sheet  # noqa: PLC0415

    order, month = explained.order, explained.month
    title = "What paid this month" if month else "What paid this order"
    with override("en"):
        sheet = Sheet(title=title, made_at=made_at)
        sheet.heading(title, large=True)
        sheet.rows(
            [
                *([("Invoice", str(month.pk)), ("Month from", local_text(month.period_start))] if month else []),
                ("Order", str(order.pk)),
                ("Customer", str(order.customer)),
                ("Organization", order.organization.name),
                ("State", order.status),
                ("As of", f"{local_text(made_at)} ({settings.SOVEREIGN_TIME_ZONE})"),
                ("Paid from credit", _money(explained.credit_minor)),
                ("By card", _money(explained.due_by_card_minor)),
                ("Total", _money(explained.total_minor)),
            ],
            last_is_total=True,
        )
        rows = [
            (local_text(source.origin.at), _voucher(source.origin), _issuer(source.origin), _money(source.part_minor))
            for source in explained.sources
        ]
        if rows:
            head = ("Brought", "Voucher or reason", "Campaign, issued by", "Part")
            sheet.columns([head, *rows], widths=_SOURCES, amounts=1)
        paid = [
            (
                local_text(entry.created_at),
                entry.get_kind_display(),
                entry.stripe_object_id,
                _money(entry.amount_minor),
            )
            for entry in explained.card
        ]
        if paid:
            sheet.columns([("Time", "Card", "At Stripe", "Amount"), *paid], widths=_CARD, amounts=1)
        return bytes(sheet.output())


def _write_lot(sheet: "Sheet", explained: ExplainedLot) -> None:
    lot = explained.lot
    sheet.heading(f"Credit from {_voucher(explained.origin)}")
    sheet.rows(
        [
            *_origin_rows(explained.origin),
            ("Class", lot.credit_class),
            ("Expires", local_text(lot.expires_at) if lot.expires_at else "never"),
            ("Brought", _money(lot.brought_minor)),
            ("Left", _money(lot.left_minor)),
        ],
        last_is_total=True,
    )
    rows = [
        (local_text(use.at), str(use.order_id or use.reason), use.organization or "", _money(use.part_minor))
        for use in explained.uses
    ]
    if rows:
        sheet.columns([("Time", "Order or reason", "Organization", "Part"), *rows], widths=_USES, amounts=1)


def _origin_rows(origin: Origin) -> Iterator[tuple[str, str]]:
    yield "Ledger entry", f"{origin.entry_id}, {local_text(origin.at)}"
    facts = {
        "Note": origin.note,
        "Posted by": origin.actor_id,
        "Card": origin.card_serial,
        "Issued by": origin.issued_by,
        "Batch approved by": origin.batch_approved_by,
        "Campaign": origin.campaign,
        "Campaign approved by": origin.campaign_approved_by,
    }
    yield from ((name, str(value)) for name, value in facts.items() if value not in (None, ""))


def _voucher(origin: Origin) -> str:
    return origin.code or origin.reason


def _issuer(origin: Origin) -> str:
    return ", ".join(text for text in (origin.campaign, origin.issued_by) if text)


def _money(minor: int) -> str:
    return format_money(minor, currency=settings.SOVEREIGN_CURRENCY)
