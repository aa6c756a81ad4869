"""Run one Stripe sandbox for each test process, emptied before each test, with the keys that the service uses."""

from collections.abc import Iterator
from typing import Any

import pytest
import stripe as stripe_library

from orders.stripe import gateway
from tests.payments.stripe_failures import ANSWER_SECONDS
from tests.payments.stripe_server import SECRET_KEY, WEBHOOK_SECRET, Stripe, running_stripe


@pytest.fixture(scope="session")
def sandbox() -> Iterator[Stripe]:
    with running_stripe() as running:
        yield running


@pytest.fixture
def stripe(sandbox: Stripe, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stripe]:
    """An empty Stripe, for a service that has its keys from the environment and short timeouts."""
    settings.STRIPE_API_BASE = sandbox.url
    settings.INITIAL_STRIPE_SECRET_KEY = SECRET_KEY
    settings.INITIAL_STRIPE_WEBHOOK_SECRET = WEBHOOK_SECRET
    monkeypatch.setattr(gateway, "READ_TIMEOUT_SECONDS", ANSWER_SECONDS)
    monkeypatch.setattr(stripe_library.HTTPClient, "INITIAL_DELAY", 0.01)
    monkeypatch.setattr(stripe_library.HTTPClient, "MAX_DELAY", 0.02)
    sandbox.reset()
    yield sandbox
    sandbox.heal()
