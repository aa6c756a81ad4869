"""Fills a database with a million cards, and with the customers, orders and ledger of years."""

import time
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

from django.utils import timezone

from tests.bench.cluster import Connection

if TYPE_CHECKING:
    from promos.models import Batch, PromoCode

_ISSUING = Path(__file__).with_name("issuing.sql")
CREDIT_MINOR = 10_000
# More than one page of a list.
CAMPAIGNS, DRAFTS = 60, 60
# The use of the vouchers and cards that all customers share: in these rounds of seven.
_WELCOME_ROUND, _CARD_ROUND = 5, 6
PROPOSALS = 5_000
BATCH, PATTERN = "SHOPS", "####-####-####-####"


@dataclass(slots=True)
class Filled:
    """The seconds that each part took, by name."""

    seconds: dict[str, float] = field(default_factory=dict)
    began: float = field(default_factory=time.monotonic)

    def note(self, name: str) -> None:
        """Notes the seconds since the last note."""
        now = time.monotonic()
        self.seconds[name] = now - self.began
        self.began = now


def fill_database(connection: Connection, *, cards: int, entries: int, codes: int) -> Filled:
    """Fills an empty migrated database, to which Django is connected.

    Cards are made, and figures computed, by the use cases that production runs. The history is inserted by whole sets
    with triggers off: with them each of the millions of rows would be a transaction's worth of checks. What triggers
    keep is checked over the whole ledger afterwards, and over all codes, by the commands of operators.

    Args:
        cards: the cards of the one generated batch.
        entries: the ledger entries; a tenth as many customers, and 0.7 times as many redemptions.
    """
    from billing.use_cases.ledger.verify_ledger import verify_ledger  # noqa: PLC0415 - after Django is set up
    from billing.use_cases.proof.verify_chain import verify_chain  # noqa: PLC0415
    from orders.use_cases.figures.refresh_figures import refresh_figures  # noqa: PLC0415
    from promos.use_cases.cards.count_redeemed_cards import count_redeemed_cards  # noqa: PLC0415
    from promos.use_cases.verify_redemptions import verify_redemptions  # noqa: PLC0415
    from tests.large_history import SharedUse, insert_large_history  # noqa: PLC0415

    filled = Filled()
    campaigns, welcome = _issue_small_tables()
    filled.note("campaigns and drafts")
    batch = _generate_batch(cards)
    filled.note("cards")
    shared = [
        SharedUse(_WELCOME_ROUND, welcome.pk),
        SharedUse(_CARD_ROUND, batch.promo_code_id, batch.first_serial, batch.size),
    ]

    def insert_surroundings() -> None:
        connection.execute(_ISSUING.read_text().encode())
        sizes = [entries // 10, entries // 5, entries // 5, PROPOSALS]
        connection.execute(b"SELECT pg_temp.surround(%s, %s, %s, %s)", sizes)

    insert_large_history(
        connection, entries=entries, codes=codes, campaigns=campaigns, shared=shared, beside=insert_surroundings
    )
    filled.note("history, ranges, refused attempts and audit entries")
    count_redeemed_cards()
    refresh_figures()
    filled.note("nightly figures")
    faults = [verify_redemptions(), verify_ledger().fault, verify_chain().fault]
    if any(faults):
        raise RuntimeError(f"the history does not add up: {faults}")
    filled.note("check of the ledger, its chains and all redemptions")
    return filled


def _issue_small_tables() -> "tuple[list[UUID], PromoCode]":
    """Makes a catalog, campaigns, drafts and an endpoint; returns the campaigns of codes and the voucher for all."""
    from orders.use_cases.webhooks.keep_endpoints import register_endpoint  # noqa: PLC0415
    from tests.factories import (  # noqa: PLC0415
        AddOnFactory,
        AppFactory,
        CampaignFactory,
        PlanFactory,
        PromoCodeFactory,
        actor,
    )
    from tests.promos.cards.make_batch import draft  # noqa: PLC0415

    PlanFactory.create(slug="m", price_minor=9_000)
    AddOnFactory.create(slug="backup", price_minor=500)
    AppFactory.create(slug="wordpress")
    campaigns = [CampaignFactory.create(name=f"Campaign {n}", budget_minor=10**12).pk for n in range(CAMPAIGNS)]
    everyone = CampaignFactory.create(name="Everyone", budget_minor=10**12)
    welcome = PromoCodeFactory.create(code="WELCOME", credit_minor=CREDIT_MINOR, campaign_id=everyone.pk)
    CampaignFactory.create(name="Not started", status="draft", ends_at=timezone.now() + timedelta(days=300))
    for number in range(DRAFTS):
        draft(f"DRAFT-{number}", size=1_000)
    register_endpoint(url="https://shop.example.com/hooks", by=actor())
    return campaigns, welcome


def _generate_batch(cards: int) -> "Batch":
    from promos.models import Campaign  # noqa: PLC0415
    from tests.promos.cards.make_batch import active  # noqa: PLC0415

    everyone = Campaign.objects.get(name="Everyone")
    return active(BATCH, size=cards, pattern=PATTERN, credit_minor=CREDIT_MINOR, campaign_id=everyone.pk)
