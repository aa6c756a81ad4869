"""Batches for tests, made through the use cases."""

from typing import Any

import pyrage
from pyrage import x25519

from billing.models import Customer
from promos.models import Batch, Card, PrinterFile
from promos.use_cases.approvals.approve_batch import approve_batch
from promos.use_cases.cards.change_batch import activate_batch, release_batch, start_generation
from promos.use_cases.cards.create_batch import BatchTerms, create_batch
from promos.use_cases.cards.generate_cards import generate_cards
from promos.use_cases.redeem_code import redeem
from tests.factories import acting, actor

DRAFTER, APPROVER = actor(user_id="noor"), actor(user_id="salma")
PATTERN = "####-####-####"


def draft(name: str = "SHOPS-1", *, size: int = 3, pattern: str = PATTERN, **terms: Any) -> Batch:
    """Draft a batch of cards of 5.000 OMR; any of `BatchTerms` may be given."""
    given = BatchTerms(**{"name": name, "credit_minor": 5_000, "size": size, "pattern": pattern, **terms})
    return create_batch(terms=given, by=DRAFTER, reason="for shops")


def approved(name: str = "SHOPS-1", **terms: Any) -> Batch:
    return approve_batch(batch=draft(name, **terms), by=APPROVER, reason="as agreed")


def generated(name: str = "SHOPS-1", **terms: Any) -> Batch:
    batch = approved(name, **terms)
    start_generation(batch=batch, by=DRAFTER, reason="print")
    generate_cards(batch_id=batch.id)
    return batch


def released(name: str = "SHOPS-1", **terms: Any) -> Batch:
    return release_batch(batch=generated(name, **terms), by=DRAFTER, reason="to the printer")


def active(name: str = "SHOPS-1", **terms: Any) -> Batch:
    return activate_batch(batch=released(name, **terms), by=DRAFTER, reason="in the shops")


def codes_of(batch: Batch) -> list[str]:
    return [batch.print_code(card.code) for card in Card.objects.filter(batch=batch).order_by("serial")]


def redeem_for(customer: Customer, code: str) -> None:
    redeem(code=code, user_id=customer.user_id, by=acting(customer))


PRINTER = x25519.Identity.generate()


def secret(name: str = "PRINTED-1", *, size: int = 3, **terms: Any) -> Batch:
    """Generate a secret batch."""
    return generated(name, size=size, printer_key=str(PRINTER.to_public()), **terms)


def printed_codes(batch: Batch) -> list[str]:
    """Return the codes of a secret batch, as the printer reads them in the file."""
    lines = pyrage.decrypt(bytes(PrinterFile.objects.get(batch=batch).content), [PRINTER]).decode().splitlines()
    return [line.split(",")[1] for line in lines[1:]]
