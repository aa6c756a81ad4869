"""The acts of customers: checkouts, top-ups, renewals, cancellations, and codes that are refused."""

import random
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from django.utils import timezone

from billing.actor import ANONYMOUS, CUSTOMER, Actor
from billing.errors import DomainError
from billing.models import Account, Subscription
from billing.use_cases.organizations.create_organization import create_organization
from config.devtools.demo.history.card_processor import CardProcessor
from config.devtools.demo.history.issuers import KIOSK, LOYALTY, SOUQ, Issuers
from orders.models import Order, Provision
from orders.models.basket import CheckoutRequest
from orders.models.provisioning import Deployment
from orders.use_cases.checkout.place_order import place_order
from orders.use_cases.provisioning.play_steps import provision_order
from orders.use_cases.provisioning.report_progress import Report, report_progress
from orders.use_cases.subscriptions.cancel_subscription import CancelAt, cancel_subscription
from orders.use_cases.top_up import top_up
from promos.errors import PromoNotFound
from promos.models import Redemption, RefusedAttempt
from promos.queries import find_code
from promos.use_cases.attempts.record_attempt import record_attempt
from promos.use_cases.code_guessing import limit_refused_codes
from promos.use_cases.preview_code import preview_code

_GIVEN = "Aisha Bader Fatma Hamad Iman Khalid Layla Majid Nasra Omar Rahma Said Salma Talal Yusra Zahir".split()
_FAMILY = "Balushi Harthy Kindi Lawati Maamari Nabhani Rawahi Siyabi".split()
_TRADES = "Bakery Books Cafe Crafts Dental Design Fitness Garage Motors Pharmacy Tailor Travel".split()
_PLANS = (("s", 50), ("m", 35), ("l", 12), ("xl", 3))
_APPS = ("wordpress", "nextcloud", "cal-com", "invoiceshelf", "ghost")
# Percentages, of customers or of days.
PAYS_BY_CARD, IS_LOYAL, MISTYPES, PAYS_SESSION, PAYS_MONTH = 20, 85, 12, 85, 40
TRIES_AGAIN, CANCELS, CHANGES_PLAN = 25, 10, 10
_MISTYPED = ("SALAM1O", "MARKET-9", "WELCOME", "OMAN81", "FREE100", "EID2025", "SALAM20")


@dataclass(slots=True, kw_only=True)
class Customer:
    """A customer of the history, and what the customer usually does."""

    number: int
    plan: str
    pays_by_card: bool
    is_loyal: bool
    organization_id: UUID | None = None

    @property
    def name(self) -> str:
        return f"{_GIVEN[self.number % 16]} {_FAMILY[self.number // 16 % 8]}"

    @property
    def shop(self) -> str:
        return f"{self.name.split()[0]}s {_TRADES[self.number * 7 % 12]}"

    @property
    def actor(self) -> Actor:
        """Returns the customer as the actor of a request; every seventh has an address at a partner's domain."""
        domain = "example.net" if self.number % 7 == 0 else "example.com"
        return Actor(
            user_id=f"demo-customer-{self.number:03}",
            role=CUSTOMER,
            channel="api",
            email=f"{self.name.replace(' ', '.').lower()}.{self.number}@{domain}",
            address=f"198.51.100.{self.number % 250 + 1}",
        )


class Customers:
    """The customers' part of the history. All chance comes from one seed: each demo has the same history."""

    def __init__(self, issuers: Issuers, processor: CardProcessor | None, *, seed: int = 18) -> None:
        self._issuers, self._processor = issuers, processor
        self._chance = random.Random(seed)  # noqa: S311 - a story, not a secret
        self.known: list[Customer] = []

    def arrive(self) -> None:
        """Lets a new customer make an organization and order a plan, with a voucher, a card or neither."""
        chance = self._chance
        customer = Customer(
            number=len(self.known) + 1,
            plan=chance.choices([name for name, _ in _PLANS], [weight for _, weight in _PLANS])[0],
            pays_by_card=self._happens(PAYS_BY_CARD),
            is_loyal=self._happens(IS_LOYAL),
        )
        self.known.append(customer)
        by, slug = customer.actor, f"{customer.shop.replace(' ', '-').lower()}-{customer.number}"
        made = create_organization(user_id=by.user_id, email=by.email, slug=slug, name=customer.shop)
        customer.organization_id = made.id
        if self._happens(MISTYPES):
            self._redeem(customer, chance.choice(_MISTYPED))
        if self._order(customer, code=self._choose_code()):
            return
        for name in (SOUQ, SOUQ, KIOSK)[: chance.randint(1, 3)]:
            self._redeem(customer, self._issuers.buy_card(name))
        self._order(customer, code="")

    def _choose_code(self) -> str:
        codes = ["SALAM10", "SALAM10", "BIG25", "PARTNERS", "", ""]
        if len(self._issuers.campaigns) > 1:
            codes += ["MARKET9", "MARKET9", "MARKET9"]
        if len(self._issuers.campaigns) > 2:  # noqa: PLR2004 - after the third campaign has begun
            codes += ["OMAN18", "OMAN18", "OMAN18"]
        return self._chance.choice(codes)

    def _order(self, customer: Customer, *, code: str) -> bool:
        """Orders the customer's plan. Returns whether the order was placed, also where a card is still to pay it."""
        request = CheckoutRequest(
            tenant_id=customer.organization_id or UUID(int=0),
            plan=customer.plan,
            apps=(self._chance.choice(_APPS),),
            addons=("daily-backup",) if customer.number % 4 == 0 else (),
            promo_code=code,
        )
        if not code and not customer.pays_by_card and self._is_short(customer):
            return False
        self._preview(customer, code)
        try:
            with limit_refused_codes(code=code, act=RefusedAttempt.Act.CHECKOUT, by=customer.actor):
                placed = place_order(request=request, by=customer.actor)
        except DomainError:
            return False
        if placed.paid_by_card and self._processor and self._happens(PAYS_SESSION):
            self._processor.pay(placed.order_id)
        self._deploy(placed.order_id)
        return True

    def _is_short(self, customer: Customer) -> bool:
        plan = {"s": 5_000, "m": 9_000, "l": 16_000, "xl": 30_000}[customer.plan]
        return balance_of(customer) < plan + (3_000 if customer.number % 4 == 0 else 0)

    def _deploy(self, order_id: UUID) -> None:
        if Order.objects.filter(id=order_id, status=Order.Status.COMPLETED).exists():
            provision = provision_order(order_id=order_id)
            report_progress(report=Report(model=Provision, key=provision.id, status=Deployment.Status.SUCCEEDED.name))

    def _preview(self, customer: Customer, code: str) -> None:
        if code:
            preview_code(find_code(code), code=code, by=customer.actor)

    def _redeem(self, customer: Customer, code: str) -> None:
        if code:
            self._preview(customer, code)
            with (
                suppress(DomainError),
                limit_refused_codes(code=code, act=RefusedAttempt.Act.REDEMPTION, by=customer.actor),
            ):
                top_up(code=code, by=customer.actor)

    def live_a_day(self) -> None:
        """Lets customers top up before their month ends, and now and then one try a code, cancel or change plan."""
        for customer in self._find_ending_months():
            if customer.is_loyal:
                self._redeem(customer, LOYALTY)
            if customer.is_loyal and self._is_short(customer):
                self._redeem(customer, self._issuers.buy_card(self._chance.choice((SOUQ, KIOSK))))
        if self.known and self._happens(TRIES_AGAIN):
            self._try_one_too_many(self._chance.choice(self.known))
        if self.known and self._happens(CANCELS):
            self._cancel(self._chance.choice(self.known))
        if self.known and self._happens(CHANGES_PLAN):
            self._change_plan(self._chance.choice(self.known))

    def pay_open_months(self) -> None:
        """Lets customers pay by card what their balance did not cover; some do not."""
        waiting = Order.objects.filter(kind=Order.Kind.RENEWAL, status=Order.Status.PENDING)
        for order_id in waiting.order_by("id").values_list("id", flat=True):
            if self._processor and self._happens(PAYS_MONTH):
                self._processor.pay(order_id)

    def guess(self, *, address: str, tries: int) -> None:
        """Lets somebody who has no account preview codes at random."""
        guesser = Actor(user_id=ANONYMOUS, role=ANONYMOUS, channel="api", address=address)
        for number in range(tries):
            record_attempt(PromoNotFound(), code=f"GUESS-{number:04}", act=RefusedAttempt.Act.PREVIEW, by=guesser)

    def try_cards_too_early(self, codes: list[str]) -> None:
        """Lets customers try printed cards that are not active."""
        for code in codes:
            self._redeem(self._chance.choice(self.known), code)

    def _happens(self, percent: int) -> bool:
        return self._chance.randrange(100) < percent

    def _find_ending_months(self) -> list[Customer]:
        now = timezone.now()
        ends = set(
            Subscription.objects.filter(
                paid_by=Subscription.PaidBy.CREDIT,
                status__in=(Subscription.Status.ACTIVE, Subscription.Status.PAST_DUE),
                current_period_end__lt=now + timedelta(days=2),
            ).values_list("organization_id", flat=True)
        )
        return [customer for customer in self.known if customer.organization_id in ends]

    def _try_one_too_many(self, customer: Customer) -> None:
        used = (
            Redemption.objects.filter(customer__user_id=customer.actor.user_id).select_related("promo_code").first()
        )
        code = used.promo_code.code if used and not used.card_serial else self._chance.choice(_MISTYPED)
        self._redeem(customer, code)

    def _cancel(self, customer: Customer) -> None:
        with suppress(DomainError):
            cancel_subscription(
                organization_id=customer.organization_id or UUID(int=0), at=CancelAt.PERIOD_END, by=customer.actor
            )

    def _change_plan(self, customer: Customer) -> None:
        customer.plan = "l" if customer.plan == "m" else "m"
        self._order(customer, code="")


def balance_of(customer: Customer) -> int:
    """Returns a customer's balance in the smallest unit."""
    return (
        Account.objects.filter(customer__user_id=customer.actor.user_id)
        .values_list("balance_minor", flat=True)
        .first()
        or 0
    )
