"""The acts of staff: campaigns, vouchers, batches of cards and their dealers, each at its day."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from billing.actor import APPROVER, SOVEREIGN_ADMIN, SUPERADMIN, Actor
from promos.models import Batch, Card
from promos.models.restrictions import Restrictions
from promos.use_cases.approvals.approve_batch import approve_batch
from promos.use_cases.approvals.approve_campaign import approve_campaign
from promos.use_cases.campaigns import change_state, change_terms
from promos.use_cases.campaigns.draft_campaign import CampaignTerms, draft_campaign
from promos.use_cases.cards import change_batch
from promos.use_cases.cards.create_batch import BatchTerms, create_batch
from promos.use_cases.cards.export_cards import hand_out_codes
from promos.use_cases.cards.generate_cards import generate_cards
from promos.use_cases.change_code import pause_code, retire_code
from promos.use_cases.issue_code import Terms, issue_code
from promos.use_cases.ranges.act_on_cards import act_on_cards
from promos.use_cases.ranges.keep_dealers import add_dealer
from promos.use_cases.ranges.plan_act import Act

WELCOME, AUTUMN, NATIONAL_DAY, WINTER = "Open for business", "Autumn market", "National Day", "Winter offers"
SOUQ, KIOSK, STOLEN = "SOUQ-10", "KIOSK-5", "EID-20"
LOYALTY = "LOYAL15"
# The demo's login that sees and activates the cards of the first dealer.
DEALER_USER = "demo-majid"
DEALERS = ("Al Noor Kiosks", "Seeb Stationery", "Salalah Mobile")


def staff(name: str, role: str) -> Actor:
    """Returns the actor of one of the demo's logins, in the console."""
    return Actor(
        user_id=f"demo-{name}", role=role, channel="admin", email=f"{name}@example.org", address="192.0.2.10"
    )


NOOR, AMAL, ADMIN = staff("noor", SOVEREIGN_ADMIN), staff("amal", APPROVER), staff("admin", SUPERADMIN)


@dataclass(slots=True)
class Issuers:
    """The staff's part of the history. `stock` holds the cards in the shops, by batch, the next one last."""

    began: datetime
    campaigns: dict[str, UUID] = field(default_factory=dict)
    stock: dict[str, list[str]] = field(default_factory=dict)

    def acts(self) -> dict[int, Callable[[], None]]:
        """Returns the acts by day."""
        return {
            0: self.open_for_business,
            2: self.sell_cards_at_the_souq,
            24: self.start_autumn_market,
            33: lambda: self.pause(AUTUMN, "the market's stand moves"),
            35: lambda: self.resume(AUTUMN, "the stand is open again"),
            38: self.sell_cards_at_kiosks,
            47: self.raise_welcome_budget,
            55: self.start_national_day,
            60: self.lock_stolen_range,
            66: self.end_autumn_market,
            78: self.print_cards_for_later,
            88: self.draft_winter,
        }

    def open_for_business(self) -> None:
        self._start(CampaignTerms(name=WELCOME, purpose="First customers", budget_minor=900_000), day=0)
        campaign = self.campaigns[WELCOME]
        self._issue("SALAM10", Terms(credit_minor=10_000, description="Welcome: 10", max_redemptions=60), campaign)
        large = Terms(
            credit_minor=25_000,
            description="25 for a large plan",
            restrictions=Restrictions(plans=["l", "xl"], first_order_only=True),
        )
        self._issue("BIG25", large, campaign)
        loyal = Terms(
            credit_minor=1_500,
            description="1.5 a month, three times",
            restrictions=Restrictions(uses_per_customer=3, uses_per_month=1),
        )
        self._issue(LOYALTY, loyal)

    def start_autumn_market(self) -> None:
        days = timedelta(days=42)
        terms = CampaignTerms(
            name=AUTUMN,
            purpose="A stand at the Muscat market",
            budget_minor=180_000,
            starts_at=self.began + timedelta(days=24),
            ends_at=self.began + timedelta(days=24) + days,
        )
        self._start(terms, day=24)
        self._issue("MARKET9", Terms(credit_minor=9_000, description="Market visitors"), self.campaigns[AUTUMN])

    def start_national_day(self) -> None:
        terms = CampaignTerms(
            name=NATIONAL_DAY,
            purpose="18 November",
            owner_email="noor@example.org",
            budget_minor=600_000,
            restrictions=Restrictions(uses_per_customer=1),
            credit_days=120,
        )
        self._start(terms, day=55)
        campaign = self.campaigns[NATIONAL_DAY]
        self._issue("OMAN18", Terms(credit_minor=18_000, description="National Day", max_redemptions=40), campaign)
        self._issue("PARTNERS", Terms(credit_minor=12_000, restrictions=Restrictions(email_domains=["example.net"])))

    def draft_winter(self) -> None:
        terms = CampaignTerms(name=WINTER, purpose="Keep customers over the winter", budget_minor=250_000)
        self.campaigns[WINTER] = draft_campaign(terms=terms, by=NOOR, reason="asked for by the board").id

    def raise_welcome_budget(self) -> None:
        change_terms.change_budget(
            campaign_id=self.campaigns[WELCOME], budget_minor=1_400_000, by=NOOR, reason="more customers than planned"
        )
        pause_code(code="BIG25", by=NOOR, reason="only until the new prices are known")

    def end_autumn_market(self) -> None:
        change_state.end_campaign(campaign_id=self.campaigns[AUTUMN], by=NOOR, reason="the market is over")
        retire_code(code="MARKET9", by=NOOR, reason="the market is over")

    def pause(self, name: str, reason: str) -> None:
        change_state.pause_campaign(campaign_id=self.campaigns[name], by=NOOR, reason=reason)

    def resume(self, name: str, reason: str) -> None:
        change_state.activate_campaign(campaign_id=self.campaigns[name], by=NOOR, reason=reason)

    def sell_cards_at_the_souq(self) -> None:
        batch = self._print(
            BatchTerms(name=SOUQ, credit_minor=10_000, size=400, pattern="####-####-####", description="Card of 10")
        )
        first = batch.first_serial
        for number, name in enumerate(DEALERS):
            seller = "" if number else DEALER_USER
            dealer = add_dealer(name=name, user_id=seller, by=NOOR, reason="signed the contract")
            span = [(first + number * 100, first + number * 100 + 99)]
            act_on_cards(batch=batch, act=Act.ALLOCATE, spans=span, dealer=dealer, by=NOOR, reason="first delivery")
            sold = [(span[0][0], span[0][0] + 79)]
            act_on_cards(batch=batch, act=Act.ACTIVATE, spans=sold, by=NOOR, reason="delivered")
        change_batch.activate_batch(batch=batch, by=NOOR, reason="the cards are in the shops")
        sold_serials = [first + dealer * 100 + number for number in range(80) for dealer in range(len(DEALERS))]
        self._stock(batch, sold_serials)

    def sell_cards_at_kiosks(self) -> None:
        batch = self._print(
            BatchTerms(
                name=KIOSK,
                credit_minor=5_000,
                size=250,
                pattern="KK-####-####-####",
                description="Card of 5",
                campaign_id=self.campaigns[WELCOME],
            )
        )
        change_batch.activate_batch(batch=batch, by=NOOR, reason="delivered to the kiosks")
        self._stock(batch, list(range(batch.first_serial, batch.last_serial + 1)))

    def lock_stolen_range(self) -> None:
        batch = Batch.objects.select_related("promo_code").get(promo_code__code=KIOSK)
        span = [(batch.last_serial - 49, batch.last_serial)]
        act_on_cards(batch=batch, act=Act.LOCK, spans=span, by=NOOR, reason="a box was stolen on the way to Nizwa")

    def print_cards_for_later(self) -> None:
        self._print(
            BatchTerms(name=STOLEN, credit_minor=20_000, size=120, pattern="####-####-####", description="Card of 20")
        )

    def _start(self, terms: CampaignTerms, *, day: int) -> None:
        campaign = draft_campaign(terms=terms, by=NOOR, reason=terms.purpose)
        approve_campaign(campaign_id=campaign.id, by=AMAL, reason="within this quarter's budget")
        change_state.activate_campaign(campaign_id=campaign.id, by=NOOR, reason=f"day {day} of the plan")
        self.campaigns[terms.name] = campaign.id

    def _issue(self, code: str, terms: Terms, campaign_id: UUID | None = None) -> None:
        issue_code(code=code, terms=terms, by=NOOR, reason="announced by mail", campaign_id=campaign_id)

    def _print(self, terms: BatchTerms) -> Batch:
        batch = create_batch(terms=terms, by=NOOR, reason="ordered by sales")
        approve_batch(batch=batch, by=AMAL, reason="the printer's offer is signed")
        generate_cards(batch_id=batch.id)
        change_batch.release_batch(batch=batch, by=NOOR, reason="ready to print")
        batch.refresh_from_db()
        hand_out_codes(
            batch=batch,
            first=batch.first_serial,
            last=batch.last_serial,
            how="exported",
            by=NOOR,
            reason="for the printer",
        )
        return batch

    def _stock(self, batch: Batch, serials: list[int]) -> None:
        codes = dict(Card.objects.filter(batch=batch).values_list("serial", "code"))
        self.stock[batch.promo_code.code] = [batch.print_code(codes[serial]) for serial in reversed(serials)]

    def buy_card(self, name: str) -> str:
        """Returns the code of the next card of a batch; empty where none is left."""
        return self.stock[name].pop() if self.stock.get(name) else ""
