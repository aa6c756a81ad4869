"""The sandbox as a whole: its parts, and the options that it starts with."""

import threading
from dataclasses import dataclass
from pathlib import Path

from config.devtools.stripe_sandbox import resources  # noqa: F401 - enters the endpoints into their table
from config.devtools.stripe_sandbox.api import Api, check_secret_key, fingerprint_key
from config.devtools.stripe_sandbox.deliveries import Deliveries
from config.devtools.stripe_sandbox.protocol.errors import invalid
from config.devtools.stripe_sandbox.resources.billing.invoices import collect_again
from config.devtools.stripe_sandbox.resources.billing.renewals import renew
from config.devtools.stripe_sandbox.resources.checkout import expire_session
from config.devtools.stripe_sandbox.resources.urls import check_url
from config.devtools.stripe_sandbox.store import Object, Store
from config.devtools.stripe_sandbox.world import World, new_id

INITIAL_ENDPOINT_ID = "we_started_with"


@dataclass(frozen=True)
class StartOptions:
    """The options that the sandbox starts with, and returns to when it is reset."""

    base_url: str
    state: Path | None = None
    secret_keys: tuple[str, ...] = ()
    webhook_url: str | None = None
    webhook_secret: str | None = None


class Sandbox:
    """One Stripe account, its API, its webhooks and its switches."""

    def __init__(self, start_options: StartOptions) -> None:
        self.start_options = start_options
        self.stopping = threading.Event()
        self.store = Store(start_options.state)
        self.world = World(self.store, start_options.base_url)
        self.world.actions = {"expire": expire_session, "renew": renew, "collect": collect_again}
        self.api = Api(self.world, self.stopping)
        self.deliveries = Deliveries(self.world, self.stopping)
        self._apply_start_options()

    def _apply_start_options(self) -> None:
        """Add the keys and the endpoint of the start. Others in the state file stay."""
        with self.store.transaction():
            for key in self.start_options.secret_keys:
                self.add_key(key)
            others = [each for each in self.deliveries.endpoints() if each["id"] != INITIAL_ENDPOINT_ID]
            self.store.set("endpoints", others)
            if self.start_options.webhook_url and self.start_options.webhook_secret:
                self.add_endpoint(
                    self.start_options.webhook_url, self.start_options.webhook_secret, identifier=INITIAL_ENDPOINT_ID
                )

    def start(self) -> None:
        """Start delivering webhooks and running timers."""
        self.deliveries.start()

    def stop(self) -> None:
        """Stop waiting requests and deliveries, and close the file."""
        self.stopping.set()
        self.deliveries.join()
        self.store.close()

    def reset(self) -> None:
        """Delete everything except the options of the start."""
        with self.store.transaction():
            self.store.clear()
            self._apply_start_options()

    def add_key(self, key: str) -> Object:
        """Accept one more secret key, at once.

        Raises: StripeError if it is not a test-mode key.
        """
        added = fingerprint_key(check_secret_key(key))
        others = [each for each in self.store.setting("keys", []) if each["hash"] != added["hash"]]
        self.store.set("keys", [*others, added])
        return {"last4": added["last4"]}

    def remove_key(self, key: str) -> None:
        """Refuse a secret key from now on."""
        gone = fingerprint_key(key)["hash"]
        self.store.set("keys", [each for each in self.store.setting("keys", []) if each["hash"] != gone])

    def add_endpoint(
        self, url: str, secret: str, *, events: list[str] | None = None, identifier: str | None = None
    ) -> Object:
        """Deliver events (patterns such as `invoice.*`; all where none are given) to one more address.

        Raises: StripeError for an invalid URL or secret.
        """
        if not secret.startswith("whsec_"):
            raise invalid("A webhook secret begins with whsec_.", param="secret")
        added = {
            "id": identifier or new_id("we"),
            "url": check_url(url, param="url"),
            "secret": secret,
            "events": events or ["*"],
        }
        self.store.set("endpoints", [*self.deliveries.endpoints(), added])
        return {name: value for name, value in added.items() if name != "secret"}
