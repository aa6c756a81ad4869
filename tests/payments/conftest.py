"""The sandbox, started once for a test process and forgotten after each test; the service's keys are its keys."""

from collections.abc import Iterator
from typing import Any

import pytest
import stripe as stripe_library

from orders.stripe import gateway
from orders.use_cases.reconciliation import reconciliation_run
from tests.payments.reconciling import LATER
from tests.payments.stripe_process import SECRET_KEY, WEBHOOK_SECRET, Stripe, stripe_process

# What a test waits for an answer that does not come; the sandbox answers within a tenth of it.
ANSWER_SECONDS = 0.6


@pytest.fixture(scope="session")
def sandbox() -> Iterator[Stripe]:
    with stripe_process() as running:
        yield running


@pytest.fixture
def stripe(sandbox: Stripe, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stripe]:
    """Stripe, empty, for a service that has its keys from the environment and is not patient."""
    settings.STRIPE_API_BASE = sandbox.url
    settings.INITIAL_STRIPE_SECRET_KEY = SECRET_KEY
    settings.INITIAL_STRIPE_WEBHOOK_SECRET = WEBHOOK_SECRET
    monkeypatch.setattr(gateway, "ANSWER_SECONDS", ANSWER_SECONDS)
    monkeypatch.setattr(stripe_library.HTTPClient, "INITIAL_DELAY", 0.01)
    monkeypatch.setattr(stripe_library.HTTPClient, "MAX_DELAY", 0.02)
    sandbox.reset()
    yield sandbox
    sandbox.heal()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What happened just now counts as having happened before."""
    monkeypatch.setattr(reconciliation_run, "PATIENCE", -LATER)
