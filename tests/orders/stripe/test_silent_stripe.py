"""Checkouts that wait for a silent Stripe leave connections and threads to those that need no card."""

from concurrent.futures import ThreadPoolExecutor
from threading import Event, Semaphore
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
import stripe
from django.db import connection

from billing.actor import system_actor
from billing.use_cases.processor_settings import change_processor_keys
from orders.stripe import gateway

pytestmark = pytest.mark.django_db(transaction=True)


def create_customer() -> str:
    return gateway.create_customer(user_id="ada", email="ada@example.org", order_id=uuid4())


def test_half_of_the_threads_wait_for_it_and_none_with_a_connection(
    monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    settings.STRIPE_API_BASE = "http://127.0.0.1:9"
    by = system_actor(channel="command", user_id="ops")
    change_processor_keys(by=by, stripe_secret_key="sk_test_0123456789abcdef", reason="a test")
    waiting, answers, with_connection = Semaphore(0), Event(), []

    def create(*_: Any) -> SimpleNamespace:
        with_connection.append(connection.connection is not None)
        waiting.release()
        assert answers.wait(30)
        return SimpleNamespace(id="cus_1")

    client = SimpleNamespace(v1=SimpleNamespace(customers=SimpleNamespace(create=create)))
    monkeypatch.setattr(stripe, "StripeClient", lambda *_, **__: client)
    monkeypatch.setattr(gateway, "MAX_WAIT_SECONDS", 0.1)

    def call() -> str:
        try:
            return create_customer()
        finally:
            connection.close()

    with ThreadPoolExecutor(settings.STRIPE_CALLS_AT_ONCE) as threads:
        try:
            calls = [threads.submit(call) for _ in range(settings.STRIPE_CALLS_AT_ONCE)]
            for _ in calls:
                assert waiting.acquire(timeout=30)
            with pytest.raises(gateway.Unanswered):
                create_customer()
        finally:
            answers.set()
        assert [each.result() for each in calls] == ["cus_1"] * settings.STRIPE_CALLS_AT_ONCE
    assert create_customer() == "cus_1"
    assert with_connection == [False] * (settings.STRIPE_CALLS_AT_ONCE + 1)
