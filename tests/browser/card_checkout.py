"""Pay by card with everything real: the API over HTTP, the sandbox's pages, and its signed events to the webhook."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.request import Request, urlopen

import pytest
from pytest_django.live_server_helper import LiveServer

from orders.models import Payment
from tests.billing.api.conftest import bearer
from tests.payments.buyer import Buyer
from tests.payments.conftest import sandbox
from tests.payments.stripe_server import SECRET_KEY, WEBHOOK_SECRET, Stripe
from tests.payments.webhook_delivery import ENDPOINT_TYPES, WEBHOOK
from tests.payments.worker import run_waiting_jobs

__all__ = ["card_checkout", "sandbox"]

OK = 200
ROUNDS = 10
PATIENCE_SECONDS = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class CardCheckout:
    """The Stripe sandbox, and the address of the service that it delivers events to."""

    stripe: Stripe
    url: str

    def check_out(self, buyer: Buyer) -> Any:
        """Check out by the API, as the customer, and return the answer."""
        basket = {
            "tenant_id": str(buyer.organization.id),
            "plan_id": buyer.plan.slug,
            "addons": [buyer.addon.slug],
            "promo_code": buyer.promo_code.code if buyer.promo_code else "",
        }
        identity = bearer(sub=buyer.customer.user_id, email=buyer.customer.email, role="customer")
        headers = {**identity, "Content-Type": "application/json", "Idempotency-Key": buyer.key}
        address = f"{self.url}/api/billing/checkout"
        request = Request(address, data=json.dumps(basket).encode(), headers=headers, method="POST")
        with urlopen(request, timeout=PATIENCE_SECONDS) as answer:
            return json.load(answer)

    def session_id_of(self, placed: Any) -> str:
        """Stripe's id of the session that was opened."""
        return str(Payment.objects.get(order_id=placed["order_id"]).session_id)

    def settle(self) -> None:
        """Deliver all events and run all jobs, until no event and no job is left."""
        for _ in range(ROUNDS):
            delivered = self.stripe.do("webhooks/flush")
            if not (run_waiting_jobs() or delivered):
                break
        else:
            raise AssertionError("events and jobs do not come to an end")
        assert {each["status"] for each in self.stripe.attempts()} <= {OK}


@pytest.fixture
def card_checkout(sandbox: Stripe, settings: Any, live_server: LiveServer) -> Iterator[CardCheckout]:
    """An empty sandbox that delivers its events to the live server and sends customers back to it."""
    settings.STRIPE_API_BASE = sandbox.url
    settings.INITIAL_STRIPE_SECRET_KEY = SECRET_KEY
    settings.INITIAL_STRIPE_WEBHOOK_SECRET = WEBHOOK_SECRET
    settings.CHECKOUT_SUCCESS_URL = f"{live_server.url}/checkout/success?session={{CHECKOUT_SESSION_ID}}"
    settings.CHECKOUT_CANCEL_URL = f"{live_server.url}/checkout/cancel"
    sandbox.reset()
    sandbox.do("endpoints", url=f"{live_server.url}{WEBHOOK}", secret=WEBHOOK_SECRET, events=list(ENDPOINT_TYPES))
    yield CardCheckout(stripe=sandbox, url=live_server.url)
    # Deliver what is left while the server still runs.
    sandbox.do("webhooks/flush")
    sandbox.reset()
