"""All parts of the sandbox put together, and what it is told when it starts."""

import threading
from dataclasses import dataclass
from pathlib import Path

from config.devtools.stripe_sandbox import resources  # noqa: F401 - enters the endpoints into their table
from config.devtools.stripe_sandbox.api import Api, check_secret_key, known_key
from config.devtools.stripe_sandbox.deliveries import Deliveries
from config.devtools.stripe_sandbox.errors import invalid
from config.devtools.stripe_sandbox.resources.checkout import expire_session
from config.devtools.stripe_sandbox.resources.invoices import collect_again
from config.devtools.stripe_sandbox.resources.renewals import renew
from config.devtools.stripe_sandbox.resources.urls import check_url
from config.devtools.stripe_sandbox.store import Object, Store
from config.devtools.stripe_sandbox.world import World, new_id

STARTED_WITH = "we_started_with"


@dataclass(frozen=True)
class Beginning:
    """What the sandbox is started with, and goes back to when it is reset."""

    base_url: str
    state: Path | None = None
    secret_keys: tuple[str, ...] = ()
    webhook_url: str | None = None
    webhook_secret: str | None = None


class Sandbox:
    """One Stripe account, its API, its webhooks and its switches."""

    def __init__(self, beginning: Beginning) -> None:
        self.beginning = beginning
        self.stopping = threading.Event()
        self.store = Store(beginning.state)
        self.world = World(self.store, beginning.base_url)
        self.world.actions = {"expire": expire_session, "renew": renew, "collect": collect_again}
        self.api = Api(self.world, self.stopping)
        self.deliveries = Deliveries(self.world, self.stopping)
        self._begin()

    def _begin(self) -> None:
        """Know the keys and the endpoint of the start; what the state file knows beside them stays."""
        with self.store.transaction():
            for key in self.beginning.secret_keys:
                self.add_key(key)
            others = [each for each in self.deliveries.endpoints() if each["id"] != STARTED_WITH]
            self.store.set("endpoints", others)
            if self.beginning.webhook_url and self.beginning.webhook_secret:
                self.add_endpoint(self.beginning.webhook_url, self.beginning.webhook_secret, identifier=STARTED_WITH)

    def start(self) -> None:
        """Begin to deliver webhooks and to do what is due."""
        self.deliveries.start()

    def stop(self) -> None:
        """Let go of everything that waits, and close the file."""
        self.stopping.set()
        self.deliveries.join()
        self.store.close()

    def reset(self) -> None:
        """Forget everything but what it was started with."""
        with self.store.transaction():
            self.store.clear()
            self._begin()

    def add_key(self, key: str) -> Object:
        """Accept one more secret key, at once.

        Raises: StripeError for one that is not of test mode.
        """
        added = known_key(check_secret_key(key))
        others = [each for each in self.store.setting("keys", []) if each["hash"] != added["hash"]]
        self.store.set("keys", [*others, added])
        return {"last4": added["last4"]}

    def remove_key(self, key: str) -> None:
        """Refuse a secret key from now on."""
        gone = known_key(key)["hash"]
        self.store.set("keys", [each for each in self.store.setting("keys", []) if each["hash"] != gone])

    def add_endpoint(
        self, url: str, secret: str, *, events: list[str] | None = None, identifier: str | None = None
    ) -> Object:
        """Deliver events (patterns such as `invoice.*`; all where none are given) to one more address.

        Raises: StripeError for a URL or a secret that is none.
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
