"""The way of a payment, all of it real: the API over HTTP, the sandbox's pages, its signed events to our webhook."""

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

__all__ = ["sandbox", "till"]

OK = 200
ROUNDS = 10
PATIENCE_SECONDS = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Till:
    """Stripe's sandbox, and the service that it tells what happens."""

    stripe: Stripe
    url: str

    def check_out(self, buyer: Buyer) -> Any:
        """The customer orders, by the API."""
        asked = {
            "tenant_id": str(buyer.organization.id),
            "plan_id": buyer.plan.slug,
            "addons": [buyer.addon.slug],
            "promo_code": buyer.promo_code.code if buyer.promo_code else "",
        }
        identity = bearer(sub=buyer.customer.user_id, email=buyer.customer.email, role="customer")
        headers = {**identity, "Content-Type": "application/json", "Idempotency-Key": buyer.key}
        address = f"{self.url}/api/billing/checkout"
        request = Request(address, data=json.dumps(asked).encode(), headers=headers, method="POST")
        with urlopen(request, timeout=PATIENCE_SECONDS) as answer:
            return json.load(answer)

    def session_id_of(self, opened: Any) -> str:
        """Stripe's id of the session that was opened."""
        return str(Payment.objects.get(order_id=opened["order_id"]).session_id)

    def settle(self) -> None:
        """All events are delivered and all jobs are done, and what these make happen as well."""
        for _ in range(ROUNDS):
            delivered = self.stripe.do("webhooks/flush")
            if not (run_waiting_jobs() or delivered):
                break
        else:
            raise AssertionError("it does not come to rest")
        assert {each["status"] for each in self.stripe.attempts()} <= {OK}


@pytest.fixture
def till(sandbox: Stripe, settings: Any, live_server: LiveServer) -> Iterator[Till]:
    """A sandbox that is empty, delivers to this server and sends its customers back to it."""
    settings.STRIPE_API_BASE = sandbox.url
    settings.INITIAL_STRIPE_SECRET_KEY = SECRET_KEY
    settings.INITIAL_STRIPE_WEBHOOK_SECRET = WEBHOOK_SECRET
    settings.CHECKOUT_SUCCESS_URL = f"{live_server.url}/checkout/success?session={{CHECKOUT_SESSION_ID}}"
    settings.CHECKOUT_CANCEL_URL = f"{live_server.url}/checkout/cancel"
    sandbox.reset()
    sandbox.do("endpoints", url=f"{live_server.url}{WEBHOOK}", secret=WEBHOOK_SECRET, events=list(ENDPOINT_TYPES))
    yield Till(stripe=sandbox, url=live_server.url)
    # Nothing may still be under way to a server that is gone.
    sandbox.do("webhooks/flush")
    sandbox.reset()
