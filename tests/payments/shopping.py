"""A customer with credit and a voucher that cover a part of what they want, and what happens until it is paid."""

import json
import threading
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from django.test import Client

from billing.models import Account, Customer, Organization
from config.devtools.stripe_sandbox.signatures import Manner, payload_of, signature_of
from orders.models import AddOn, Order, Payment, Plan, StripeEvent
from orders.models.basket import Request
from orders.use_cases.checkout.place_order import Placed, place_order
from promos.models import PromoCode
from tests.factories import (
    AddOnFactory,
    OrganizationFactory,
    PlanFactory,
    PromoCodeFactory,
    acting,
    give_credit,
)
from tests.payments.stripe_process import WEBHOOK_SECRET, Object, Stripe

CREDIT_MINOR = 2_345
VOUCHER_MINOR = 10_000
PRICE_MINOR = 16_000
ADDON_MINOR = 3_000
TOTAL_MINOR = PRICE_MINOR + ADDON_MINOR
# The credit is rounded down so that the rest ends in 0.
APPLIED_MINOR = 12_340
CHARGED_MINOR = TOTAL_MINOR - APPLIED_MINOR

WEBHOOK = "/api/billing/webhook"
# What CONTRACT has Stripe send.
ENDPOINT_TYPES = (
    "checkout.session.completed",
    "checkout.session.async_payment_succeeded",
    "checkout.session.async_payment_failed",
    "checkout.session.expired",
    "invoice.paid",
    "invoice.payment_failed",
    "customer.subscription.updated",
    "customer.subscription.deleted",
    "charge.refunded",
    "charge.dispute.created",
)
_clients = threading.local()


@dataclass(frozen=True, slots=True, kw_only=True)
class Shop:
    """Who buys what, by which voucher; `key` is the Idempotency-Key."""

    organization: Organization
    plan: Plan
    addon: AddOn
    promo_code: PromoCode | None
    key: str = "first"

    @property
    def customer(self) -> Customer:
        return self.organization.customer

    @property
    def account(self) -> Account:
        return Account.objects.get(customer=self.customer)

    @property
    def request(self) -> Request:
        return Request(
            tenant_id=self.organization.id,
            plan=self.plan.slug,
            addons=(self.addon.slug,),
            promo_code=self.promo_code.code if self.promo_code else "",
            idempotency_key=self.key,
            fingerprint=f"{self.plan.slug} {self.promo_code}" if self.key else "",
        )

    def check_out(self) -> Placed:
        return place_order(request=self.request, by=acting(self.customer))

    def wanting(self, **other: Any) -> "Shop":
        """The same customer with another plan, voucher or key."""
        return replace(self, **other)


def open_shop(*, credit_minor: int = CREDIT_MINOR, voucher_minor: int = VOUCHER_MINOR, cap: int = 1) -> Shop:
    """A customer whose credit and voucher do not cover the basket; 0 for no credit, no voucher."""
    organization = OrganizationFactory.create()
    if credit_minor:
        give_credit(organization.customer, credit_minor)
    promo_code = PromoCodeFactory.create(credit_minor=voucher_minor, max_redemptions=cap) if voucher_minor else None
    return Shop(
        organization=organization,
        plan=PlanFactory.create(price_minor=PRICE_MINOR),
        addon=AddOnFactory.create(price_minor=ADDON_MINOR),
        promo_code=promo_code,
    )


def session_of(order_id: UUID) -> str:
    return str(Payment.objects.get(order_id=order_id).session_id)


def status_of(order_id: UUID) -> str:
    return Order.objects.get(id=order_id).status


# --- Webhooks: through the real view, really signed -------------------------------------------------------
def post_event(event: Object, *, secret: str = WEBHOOK_SECRET, client: Client | None = None, **manner: Any) -> Any:
    """Stripe's delivery of an event; the answer. `manner` is one of the sandbox's."""
    how = Manner(**manner)
    payload = payload_of(event, how)
    signature = signature_of(payload, secret, how)
    headers = {} if signature is None else {"Stripe-Signature": signature}
    return (client or _own_client()).post(WEBHOOK, payload, content_type="application/json", headers=headers)


def _own_client() -> Client:
    """One for each thread: making one costs more than all that it is made for."""
    if not hasattr(_clients, "client"):
        _clients.client = Client()
    made: Client = _clients.client
    return made


def undelivered(stripe: Stripe) -> list[Object]:
    """The events that the inbox does not know, oldest first."""
    known = set(StripeEvent.objects.values_list("id", flat=True))
    return [event for event in stripe.events() if event["id"] not in known]


def deliver(stripe: Stripe, *types: str) -> list[str]:
    """Delivers what was not delivered yet, of these types or of all that the endpoint asks for; their ids."""
    events = [each for each in undelivered(stripe) if each["type"] in (types or ENDPOINT_TYPES)]
    for event in events:
        answer = post_event(event)
        assert answer.status_code == 200, answer.content
        assert json.loads(answer.content) == {"received": True, "duplicate": False}
    return [event["id"] for event in events]


def event_of(stripe: Stripe, kind: str) -> Object:
    """The newest event of a type."""
    return [event for event in stripe.events() if event["type"] == kind][-1]
