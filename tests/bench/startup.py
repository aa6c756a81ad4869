"""From `make serve` to the first answer, and what a web process keeps in memory over many requests."""

import subprocess
import sys
import time
from collections.abc import Iterator

from tests.bench.checkout import Shop
from tests.bench.cluster import database
from tests.bench.load import fire, request
from tests.bench.people import user_id
from tests.bench.table import Row, Table, in_turns
from tests.bench.web import Web, bearer, serving, web_environment
from tests.database import PROJECT

REQUESTS = 100_000
# When memory is looked at, as shares of all requests.
LOOKS = (0.01, 0.1, 1.0)
SETTLED = 0.1
CLIENTS = 8
WORKERS = 2
GOAL_READY_SECONDS = 2.0
GOAL_GROWTH = 1.05
# Out of time is out of order: a run of this many requests is not stopped by a clock.
_NO_END = float("inf")

# Without the end of the interpreter, which nobody waits for.
_SETUP = "import os, django; django.setup(); os._exit(0)"


def ready_seconds() -> float:
    """From the command to the first answer of one web process that it is ready."""
    with serving(workers=1) as web:
        return web.ready_seconds


def setup_seconds() -> float:
    """Measures the start of Python and Django with these settings, without a server: the floor."""
    began = time.monotonic()
    subprocess.run([sys.executable, "-c", _SETUP], cwd=PROJECT, env=web_environment(port=0), check=True)
    return time.monotonic() - began


class Mix:
    """The requests to a web process, in turn: a checkout, a balance, a preview, the list of vouchers."""

    def __init__(self, shop: Shop) -> None:
        self._code = shop.issue(hot=True, capped=True)
        self._checkouts = shop.checkouts(self._code)
        self._staff = bearer("staff", role="sovereign-admin")
        self.done = 0

    def requests(self, number: int) -> Iterator[bytes]:
        """So many of them."""
        kinds = (self._checkout, self._balance, self._preview, self._vouchers)
        for _ in range(number):
            yield kinds[self.done % len(kinds)]()
            self.done += 1

    def _checkout(self) -> bytes:
        return next(self._checkouts)

    def _balance(self) -> bytes:
        return request("/api/billing/balance", token=bearer(user_id(self.done % 1_000)))

    def _preview(self) -> bytes:
        """Each from another address: one that asks for many is refused."""
        asked = request("/api/billing/vouchers/redeem-preview", {"code": self._code})
        address = ".".join(
            str(part) for part in (198, 18 + self.done // 2**16, self.done // 256 % 256, self.done % 256)
        )
        return asked.replace(b"\r\n", f"\r\nX-Forwarded-For: {address}\r\n".encode(), 1)

    def _vouchers(self) -> bytes:
        return request("/api/billing/vouchers/list", token=self._staff)


def memory(table: Table, shop: Shop, web: Web, *, requests: int) -> None:
    """Asks so often, and looks at each worker's memory on the way."""
    mix = Mix(shop)
    seen: dict[int, tuple[float, ...]] = {0: tuple(web.resident_mib())}
    for share in LOOKS:
        due = round(share * requests)
        answered = fire(web.port, mix.requests(due - mix.done), clients=CLIENTS, seconds=_NO_END)
        assert set(answered.statuses) == {200}, answered.statuses
        seen[due] = tuple(web.resident_mib())
    settled, last = seen[round(SETTLED * requests)], seen[requests]
    table.add(
        Row(
            name=f"MiB of a worker after {requests:,} requests",
            values=last,
            against=f"after {round(SETTLED * requests):,}",
            base=settled,
            goal=GOAL_GROWTH,
            at_most=True,
        )
    )
    table.tell(
        resident_MiB_of_each_worker={
            f"after {number:,} requests": [round(each, 1) for each in of_workers]
            for number, of_workers in seen.items()
        }
    )


def measure(*, turns: int, requests: int = REQUESTS) -> list[Table]:
    """Both tables."""
    start = Table("Start-up: seconds to ready, one web process")
    with database() as connection:
        taken = in_turns({"django": setup_seconds, "ready": ready_seconds}, turns=turns)
        start.add(Row(name="ready", values=taken["ready"], against="django.setup() alone", base=taken["django"]))
        asked = (GOAL_READY_SECONDS,) * turns
        start.add(Row(name="ready", values=taken["ready"], against="asked for", base=asked, goal=1, at_most=True))
        flat = Table(f"Memory of {WORKERS} web processes: checkouts, balances, previews and lists in turn")
        shop = Shop(connection)
        with serving(workers=WORKERS, more={"TRUSTED_PROXIES": "127.0.0.1/32"}) as web:
            memory(flat, shop, web, requests=requests)
    return [start, flat]
