"""The Stripe sandbox inside the process that writes the history, so that its objects are of the past too."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit
from uuid import UUID

from django.conf import settings

from config.devtools.stripe_sandbox.control import ControlCall, dispute
from config.devtools.stripe_sandbox.protocol.errors import StripeError
from config.devtools.stripe_sandbox.resources import completion
from config.devtools.stripe_sandbox.resources.payouts import pay_out
from config.devtools.stripe_sandbox.sandbox import Sandbox, StartOptions
from config.devtools.stripe_sandbox.server import SandboxServer
from config.devtools.stripe_sandbox.world import public
from orders.models import Payment
from orders.use_cases.payments.settle_event import receive_event, settle_event

# What a charge and a dispute cost, as Stripe's prices in the region are.
FEES = {"basis_points": 290, "fixed": 100, "dispute": 5_770}


class CardProcessor:
    """The sandbox, as the history uses it: customers pay, time passes, and its events are settled at once."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self._seen = 0

    def pay(self, order_id: UUID) -> None:
        """Pays the open session of an order by card."""
        session_id = Payment.objects.values_list("session_id", flat=True).get(order_id=order_id)
        world = self._sandbox.world
        with self._sandbox.store.transaction():
            completion.pay(world, world.get("checkout.session", session_id or ""))
        self.settle()

    def pass_time(self) -> None:
        """Runs what is due by now: renewals that the card pays, and sessions that expire."""
        with self._sandbox.store.transaction():
            self._sandbox.world.run_due()
        self.settle()

    def pay_out(self) -> None:
        """Pays the balance out to the bank, if there is one, as Stripe's schedule does."""
        with suppress(StripeError), self._sandbox.store.transaction():
            pay_out(self._sandbox.world, currency=settings.SOVEREIGN_CURRENCY.lower())
        self.settle()

    def dispute(self, order_id: UUID) -> None:
        """Disputes the payment of an order, as the customer's bank does. Nobody has answered it yet."""
        session_id = Payment.objects.values_list("session_id", flat=True).get(order_id=order_id)
        dispute(self._sandbox, ControlCall(names=(session_id or "",), query={}, body={"reason": "unrecognized"}))
        self.settle()

    def settle(self) -> None:
        """Applies the events that the sandbox has recorded since the last call."""
        store = self._sandbox.store
        rows = store.rows(
            "SELECT position, id FROM objects WHERE kind = 'event' AND position > ? ORDER BY position", self._seen
        )
        for position, event_id in rows:
            event = public(store.load(event_id))
            receive_event(event)
            settle_event(event_id=event["id"])
            self._seen = position


@contextmanager
def card_processor(state: Path | None) -> Iterator[CardProcessor | None]:
    """Serves the sandbox at the address of the settings; None where card payments use another Stripe.

    It delivers no event: `CardProcessor.settle` applies each, so that it has the instant at which it happened.

    Args: state: the sandbox's file. What it held belongs to no order, and is removed.
    """
    address = urlsplit(settings.STRIPE_API_BASE)
    if address.hostname != "127.0.0.1" or not address.port:
        yield None
        return
    server = SandboxServer(address.port, None)
    server.sandbox = Sandbox(
        StartOptions(base_url=server.base_url, state=state, secret_keys=(settings.INITIAL_STRIPE_SECRET_KEY,))
    )
    server.sandbox.reset()
    with server.sandbox.store.transaction():
        server.sandbox.store.set("fees", FEES)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield CardProcessor(server.sandbox)
    finally:
        server.shutdown()
        server.server_close()
        server.sandbox.store.close()
