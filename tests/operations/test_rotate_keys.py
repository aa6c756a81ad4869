"""Every key of the environment is rotated as deploy/books/rotate-keys.md says, while requests run.

Two web servers and a worker restart one after the other, so old and new settings serve side by side. Customers
with tokens of the platform or of an identity provider order and redeem hashed cards, a member of staff reads pages,
Stripe sends events, and a subscriber gets webhooks. Nobody may notice.
"""

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from email.message import Message
from http.client import HTTPConnection
from http.cookies import SimpleCookie
from itertools import count
from pathlib import Path
from threading import Lock
from uuid import uuid4

from config.devtools.stripe_sandbox.signatures import Manner, signature_of
from tests.billing.api.conftest import IdentityProvider
from tests.operations.live.facts import check_facts
from tests.operations.live.processes import ADDRESS, JWT_SECRET, Installation
from tests.operations.live.shoppers import Answer, Shoppers
from tests.operations.own_server import OwnServer, own_server
from tests.orders.webhooks.receiver import receiver

KEYS = ("SECRET_KEY", "JWT_SECRET", "CARD_CODE_SECRET", "LEDGER_SIGNING_SECRET")
OLD = {name: f"{name.lower()}-before-the-rotation-0123456789-abcdefghijk" for name in KEYS} | {
    "JWT_SECRET": JWT_SECRET
}
NEW = {name: f"{name.lower()}-after-the-rotation-9876543210-zyxwvutsrq" for name in KEYS}
# These never end: cards stay hashed, and heads stay signed.
KEPT_FALLBACKS = ("CARD_CODE_SECRET", "LEDGER_SIGNING_SECRET")
STRIPE_WEBHOOK_SECRET = "whsec_rotation"

# What exists before: a session of staff, Stripe's keys, a subscriber, and cards whose codes are only hashed.
HISTORY = f"""
import json
from billing.actor import SUPERADMIN
from billing.use_cases.processor_settings import change_processor_keys
from orders.use_cases.webhooks.keep_endpoints import register_endpoint
from promos.use_cases.cards.change_batch import activate_batch, release_batch
from tests.console import client_of, create_user
from tests.factories import actor
from tests.promos.cards.make_batch import DRAFTER, printed_codes, secret
change_processor_keys(by=actor(), stripe_webhook_secret={STRIPE_WEBHOOK_SECRET!r})
registered = register_endpoint(url="URL", types=["order.placed"], by=actor())
batch = secret(size=3000, pattern="####-####-####-####")
codes = printed_codes(batch)
activate_batch(batch=release_batch(batch=batch, by=DRAFTER, reason="print"), by=DRAFTER, reason="sell")
session = client_of(create_user(SUPERADMIN)).cookies["sessionid"].value
print(json.dumps([str(registered.endpoint.pk), registered.secret, codes, session]))
"""


@dataclass(kw_only=True)
class Everybody(Shoppers):
    """Beside the customers who check out: cards, tokens of the identity provider, a console session, Stripe."""

    session: str
    cards: Iterator[str]
    provider: IdentityProvider
    provider_key: str = "first"
    done: dict[str, int] = field(default_factory=dict)
    _acts: Iterator[int] = field(default_factory=count)
    _staff: Lock = field(default_factory=Lock)

    def act(self) -> None:
        acts = (self.check_out_once, self.redeem_card, self.read_as_staff, self.send_event, self.read_balance)
        chosen = acts[next(self._acts) % len(acts)]
        chosen()
        self.done[chosen.__name__] = self.done.get(chosen.__name__, 0) + 1

    def redeem_card(self) -> None:
        name = f"p{uuid4().hex[:12]}"
        self._check("card", self.send(name, "billing/vouchers/redeem", {"code": next(self.cards)}, key=name))

    def read_as_staff(self) -> None:
        # The first page under another SECRET_KEY gives the session a new id, which a browser takes for its next page.
        with self._staff:
            headers = self._request("GET", "/admin/orders/order/", {"Cookie": f"sessionid={self.session}"})
            cookies = SimpleCookie("; ".join(headers.get_all("Set-Cookie", [])))
            if cookie := cookies.get("sessionid"):
                self.session = cookie.value

    def read_balance(self) -> None:
        token = self.provider.token(kid=self.provider_key, sub=f"r{uuid4().hex[:12]}")
        self._request("GET", "/api/billing/balance", {"Authorization": f"Bearer {token}"})

    def send_event(self) -> None:
        event = {"id": f"evt_{uuid4().hex}", "object": "event", "type": "customer.created", "livemode": False}
        event |= {"created": int(time.time()), "data": {"object": {"id": "cus_1", "object": "customer"}}}
        body = json.dumps(event).encode()
        signature = signature_of(body, STRIPE_WEBHOOK_SECRET, Manner())
        assert signature
        headers = {"Stripe-Signature": signature, "Content-Type": "application/json"}
        self._request("POST", "/api/billing/webhook", headers, body)

    def _request(self, method: str, path: str, headers: dict[str, str], body: bytes | None = None) -> Message:
        ports = self.ports
        connection = HTTPConnection(ADDRESS, ports[next(self._turn) % len(ports)], timeout=60)
        try:
            connection.request(method, path, body, headers)
            got = connection.getresponse()
            self._check(path, Answer(status=got.status, body=got.read()[:300]))
            return got.headers
        except OSError as error:
            self._check(path, Answer(status=0, body=repr(error)))
            return Message()
        finally:
            connection.close()

    def _check(self, what: str, answer: Answer) -> None:
        self.statuses[answer.status] += 1
        if answer.status != 200:
            self.unclear.append((what, answer))


@dataclass(kw_only=True)
class Deployment:
    """Two web servers and a worker, which restart with other settings one after the other."""

    server: OwnServer
    log: Path
    common: dict[str, str]
    present: Installation = field(init=False)
    _running: list[ExitStack] = field(default_factory=lambda: [ExitStack() for _ in range(3)])
    ports: list[int] = field(default_factory=lambda: [0, 0])

    def use(self, **keys: str) -> None:
        self.present = Installation(database_url=self.server.url, settings={**self.common, **keys})

    def restart(self, shoppers: Shoppers | None = None) -> None:
        for place in (0, 1):
            started = ExitStack()
            self.ports[place] = started.enter_context(self.present.web(self.log)).port
            if shoppers:
                shoppers.ports = list(self.ports)
            self._running[place].close()
            self._running[place] = started
            if shoppers:
                shoppers.wait_for(5)
        self._running[2].close()
        self._running[2].enter_context(self.present.worker(self.log))

    def stop(self) -> None:
        for each in self._running:
            each.close()


@contextmanager
def deployment(server: OwnServer, log: Path, common: dict[str, str]) -> Iterator[Deployment]:
    made = Deployment(server=server, log=log, common=common)
    try:
        yield made
    finally:
        made.stop()


def fallbacks(values: dict[str, str], names: tuple[str, ...] = KEYS) -> dict[str, str]:
    return {f"{name}_FALLBACKS": values[name] for name in names}


def test_all_keys_are_rotated_under_load_without_a_failed_request(tmp_path: Path) -> None:
    provider = IdentityProvider()
    provider.new_key("first")
    provider.thread.start()
    # A server leaves after its last requests, as behind a load balancer.
    common = {"JWT_JWKS_URL": provider.url, "WEBHOOK_PRIVATE_NETWORKS": "127.0.0.0/8", "DRAIN_SECONDS": "1"}
    try:
        with own_server() as server, receiver() as subscriber, deployment(server, tmp_path / "log", common) as here:
            here.use(**OLD)
            here.present.manage("migrate", "--verbosity=0")
            here.present.manage("seed_catalog")
            made = here.present.manage("shell", "--verbosity=0", "-c", HISTORY.replace("URL", subscriber.url))
            endpoint, secret, codes, session = json.loads(made.splitlines()[-1])
            here.restart()
            everybody = Everybody(ports=list(here.ports), session=session, cards=iter(codes), provider=provider)
            everybody.issue_vouchers()
            here.present.manage("prove_ledger")
            with everybody.at_work():
                everybody.wait_for(5)
                here.use(**OLD, **fallbacks(NEW))
                here.restart(everybody)

                here.use(**NEW, **fallbacks(OLD))
                here.restart(everybody)
                here.present.manage("rotate_secrets", "--by", "amal", "--why", "the yearly change")
                everybody.jwt_secret = NEW["JWT_SECRET"]
                provider.new_key("second")
                everybody.provider_key = "second"
                answer = everybody.send(
                    "root",
                    f"billing/admin/webhooks/{endpoint}/rotate-secret",
                    {"reason": "the yearly change"},
                    role="superadmin",
                )
                assert answer.status == 200, answer
                everybody.wait_for(10)
                here.present.manage("prove_ledger")

                del provider.keys["first"]
                here.use(**NEW, **fallbacks(OLD, KEPT_FALLBACKS))
                here.restart(everybody)
                everybody.wait_for(10)
            assert set(everybody.statuses) == {200, 201}, everybody.unclear
            assert len(everybody.done) == 5
            check_facts(everybody, server.psql, here.present)
            assert here.present.manage("verify_ledger", "--chain").startswith("sound")
            # The subscriber still knows only the earlier secret.
            assert len(subscriber.verified(secret)) == len(subscriber.requests) > 0
            assert server.psql("SELECT count(*) FROM procrastinate_jobs WHERE status = 'failed'") == "0"
    finally:
        provider.stop()
