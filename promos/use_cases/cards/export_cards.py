"""Hands the codes of a released batch out, as a CSV file and as sheets to print. Each time is audited."""

import csv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import segno
from django.conf import settings
from django.db import transaction

from billing.actor import Actor
from billing.errors import ReasonRequired
from billing.money import format_money
from billing.text import has_visible_text
from billing.use_cases.bulk.csv_rows import OneLine
from billing.use_cases.record_audit import record_audit
from promos.errors import BatchIsSecret, BatchStateRefuses
from promos.locks import lock_batch
from promos.models import Batch, Card

# Codes are handed out from the release of a batch until it is closed or voided.
HANDED_OUT = (Batch.Status.RELEASED, Batch.Status.ACTIVE, Batch.Status.LOCKED)
_ROWS_READ_AT_ONCE = 10_000
HEADER = ("serial", "code", "credit", "currency", "valid_until")


@dataclass(frozen=True, slots=True, kw_only=True)
class PrintedCard:
    """A card as it is printed. `qr` is an SVG image of the address that redeems it."""

    serial: int
    code: str
    qr: str


def hand_out_codes(*, batch: Batch, first: int, last: int, how: str, by: Actor, reason: str) -> None:
    """Records that a member of staff takes the codes of these serial numbers out of the system.

    Args: how: `exported` or `printed`. Raises: BatchIsSecret, BatchStateRefuses, ReasonRequired.
    Locks: the advisory lock of the batch's terms (exclusive), Batch. Transaction: owns.
    """
    if batch.is_secret:
        raise BatchIsSecret
    if not has_visible_text(reason):
        raise ReasonRequired
    with transaction.atomic():
        # Races with another member of staff who closes or voids the batch.
        if lock_batch(batch_id=batch.id).status not in HANDED_OUT:
            raise BatchStateRefuses
        record_audit(
            action=f"batch.{how}",
            object_type="batch",
            object_id=batch.promo_code.code,
            by=by,
            changes={"first_serial": [None, first], "last_serial": [None, last]},
            reason=reason,
        )


def export_csv(batch: Batch) -> Iterator[str]:
    """Yields the lines of a CSV file of the batch's cards; memory does not grow with the batch.

    No cell can begin a formula: serial numbers, amounts and codes begin with a digit or a letter.
    """
    yield csv.writer(OneLine()).writerow(HEADER)
    yield from csv_lines(batch, _cards(batch, first=batch.first_serial, last=batch.last_serial))


def csv_lines(batch: Batch, cards: Iterable[tuple[int, str]]) -> Iterator[str]:
    """Yields a line of the CSV file for each card. Args: cards: their serial numbers and codes."""
    writer, terms = csv.writer(OneLine()), batch.promo_code
    credit = format_money(terms.credit_minor, currency=terms.currency).removesuffix(f" {terms.currency}")
    shared = (credit.replace(",", ""), terms.currency, terms.expires_at.isoformat() if terms.expires_at else "")
    for serial, code in cards:
        yield writer.writerow((serial, batch.print_code(code), *shared))


def print_cards(batch: Batch, *, first: int, last: int) -> Iterator[PrintedCard]:
    """Yields the cards of these serial numbers, with QR codes that open the page to redeem them."""
    for serial, code in _cards(batch, first=first, last=last):
        printed = batch.print_code(code)
        image = segno.make(settings.CARD_REDEEM_URL.replace("{code}", printed), error="m")
        yield PrintedCard(serial=serial, code=printed, qr=image.svg_inline(scale=3, border=0, omitsize=True))


def _cards(batch: Batch, *, first: int, last: int) -> Iterator[tuple[int, str]]:
    while first <= last:
        part = min(first + _ROWS_READ_AT_ONCE - 1, last)
        rows = Card.objects.filter(batch=batch, serial__range=(first, part)).order_by("serial")
        yield from rows.values_list("serial", "code")
        first = part + 1
