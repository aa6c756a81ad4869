"""Checkouts that credit covers, with a voucher and a key, top-ups, and previews of a voucher, over HTTP.

They run beside a view that inserts one row, and an empty one.
"""

from collections.abc import Callable, Iterator
from functools import partial
from itertools import count, islice, repeat
from typing import Any
from uuid import UUID

from tests.bench.cluster import Connection, database
from tests.bench.load import Answered, fire, request
from tests.bench.people import make_customers, make_tenants, user_id
from tests.bench.redemption import check_exact
from tests.bench.table import Row, Table, in_turns
from tests.bench.web import Web, bearer, database_cpu_seconds, serving
from tests.database_traffic import Traffic, measure_traffic

CUSTOMERS = 60_000
CLIENTS = 32
WORKERS = 2
CREDIT_MINOR = 10_000
BODY: dict[str, Any] = {"plan_id": "m", "apps": ["wordpress"], "addons": ["backup"]}
PRICE_MINOR = 9_500
# Beside the one-row view, and beside the empty one.
GOAL = 0.5
GOALS = {"checkout, ordinary code": 0.4, "top-up": 0.5, "preview": 0.7}
GOAL_TAIL = 3
OK = 200
# So many requests, and a session has prepared its statements.
PREPARED = 9

TITLES = {
    "checkout, ordinary code": f"checkout over HTTP, voucher and key, {CLIENTS} clients",
    "checkout, hot code": "… hot code",
    "checkout, uncapped code": "… uncapped code",
    "top-up": f"top-up with a voucher and a key over HTTP, {CLIENTS} clients",
    "preview": f"preview of a voucher over HTTP, {CLIENTS} clients",
}
# All requests come from one address.
SETTINGS = {"PREVIEW_RATE_LIMIT": "999999/s"}

_VISITS = "CREATE SCHEMA peer; CREATE TABLE peer.visit (id bigserial PRIMARY KEY, user_id text, note text)"


class Shop:
    """A catalog, customers with an organization each, and codes; every checkout is of another customer."""

    def __init__(self, connection: Connection, *, customers: int = CUSTOMERS) -> None:
        from tests.factories import AddOnFactory, AppFactory, PlanFactory  # noqa: PLC0415 - after Django is set up

        self._connection = connection
        connection.execute(_VISITS.encode())
        PlanFactory.create(slug="m", price_minor=9_000)
        AddOnFactory.create(slug="backup", price_minor=500)
        AppFactory.create(slug="wordpress")
        make_customers(connection, number=customers)
        self._customers = customers
        self._tenants = make_tenants(connection)
        self._tokens = {number: bearer(user_id(number)) for number in range(customers)}
        self._next = count()
        self._codes = count(1)

    def checkouts(self, code: str) -> Iterator[bytes]:
        """Requests, each of a customer who never bought, as long as there are any."""
        for number in self._next:
            if number >= self._customers:
                return
            yield self._checkout(number, self._tenants[user_id(number)], code)

    def visits(self) -> Iterator[bytes]:
        """Requests to the one-row view, by the same customers in turn."""
        for number in count():
            yield request("/api/bench/one-row", {"note": "hello"}, token=self._tokens[number % self._customers])

    def top_ups(self, code: str) -> Iterator[bytes]:
        """Requests, each of a customer who has not redeemed this code."""
        for number in range(self._customers):
            key = f"top-up-{code}-{number}"
            yield request("/api/billing/vouchers/redeem", {"code": code}, token=self._tokens[number], key=key)

    def previews(self, code: str) -> Iterator[bytes]:
        """Requests for what the code grants; nobody signs in for it."""
        return repeat(request("/api/billing/vouchers/redeem-preview", {"code": code}))

    def issue(self, *, hot: bool, capped: bool) -> str:
        from tests.factories import PromoCodeFactory  # noqa: PLC0415

        code = f"SHOP-{next(self._codes)}"
        cap = 10_000_000 if capped else 0
        PromoCodeFactory.create(code=code, credit_minor=CREDIT_MINOR, max_redemptions=cap, hot=hot)
        return code

    def check(self, code: str, answered: Answered) -> None:
        """Every answer was a completed order, and count, redemptions and ledger agree. Raises: AssertionError."""
        done = answered.statuses.get(OK, 0)
        assert answered.statuses == {OK: done}, answered.statuses
        check_exact(self._connection, (code,), done)
        row = self._connection.execute(
            b"SELECT count(*), sum(total_minor) FROM orders_order WHERE promo_code = %s AND status = 'completed'",
            [code],
        ).fetchone()
        assert row == (done, done * PRICE_MINOR), row

    def check_top_ups(self, code: str, answered: Answered) -> None:
        """Every answer was a redemption, and count and ledger agree. Raises: AssertionError."""
        done = answered.statuses.get(OK, 0)
        assert answered.statuses == {OK: done}, answered.statuses
        check_exact(self._connection, (code,), done)

    def check_previews(self, code: str, answered: Answered) -> None:
        """Every answer was a preview, and each was counted. Raises: AssertionError."""
        done = answered.statuses.get(OK, 0)
        assert answered.statuses == {OK: done}, answered.statuses
        row = self._connection.execute(
            b"SELECT number FROM promos_codepreviews v JOIN promos_promocode p ON p.id = v.promo_code_id"
            b" WHERE p.code = %s",
            [code],
        ).fetchone()
        assert row == (done,), row

    def traffic(self, code: str) -> Traffic:
        """Of a checkout with the code, in this process, once its session has prepared what it sends."""
        from tests.contract.api_client import by_token  # noqa: PLC0415

        for number in islice(self._next, PREPARED):
            body = {**BODY, "tenant_id": str(self._tenants[user_id(number)]), "promo_code": code}
            call = partial(by_token("customer", user_id(number)).post, "billing/checkout", body, Idempotency_Key="k")
            traffic = measure_traffic(call)
        return traffic

    def _checkout(self, number: int, tenant: UUID, code: str) -> bytes:
        body = {**BODY, "tenant_id": str(tenant), "promo_code": code}
        return request("/api/billing/checkout", body, token=self._tokens[number], key=f"key-{number}")


class Figures:
    """Runs against one server, with what each took of the machine."""

    def __init__(self, shop: Shop, connection: Connection, web: Web, *, clients: int, seconds: float) -> None:
        self._shop, self._connection, self._web = shop, connection, web
        self._clients, self._seconds = clients, seconds
        self.runs: dict[str, list[Answered]] = {}
        self.web_ms: dict[str, list[float]] = {}
        self.database_ms: dict[str, list[float]] = {}

    def checkouts(self, name: str, *, hot: bool, capped: bool) -> float:
        code = self._shop.issue(hot=hot, capped=capped)
        answered = self._fire(name, self._shop.checkouts(code))
        self._shop.check(code, answered)
        return answered.per_second

    def top_ups(self) -> float:
        code = self._shop.issue(hot=False, capped=False)
        answered = self._fire("top-up", self._shop.top_ups(code))
        self._shop.check_top_ups(code, answered)
        return answered.per_second

    def previews(self) -> float:
        code = self._shop.issue(hot=False, capped=True)
        answered = self._fire("preview", self._shop.previews(code))
        self._shop.check_previews(code, answered)
        return answered.per_second

    def visits(self) -> float:
        return self._fire("one row", self._shop.visits()).per_second

    def empty(self) -> float:
        payload = request("/api/bench/empty")
        return self._fire("empty", (payload for _ in count())).per_second

    def _fire(self, name: str, payloads: Iterator[bytes]) -> Answered:
        web, database_ = self._web.cpu_seconds(), database_cpu_seconds(self._connection)
        workers = len(self._web.processes()) - 1
        answered = fire(self._web.port, payloads, clients=self._clients, seconds=self._seconds, processes=workers)
        number = len(answered.latencies)
        self.runs.setdefault(name, []).append(answered)
        self.web_ms.setdefault(name, []).append(1000 * (self._web.cpu_seconds() - web) / number)
        self.database_ms.setdefault(name, []).append(
            1000 * (database_cpu_seconds(self._connection) - database_) / number
        )
        return answered


def measure(*, turns: int, seconds: float, clients: int = CLIENTS, workers: int = WORKERS) -> Table:
    """The whole table."""
    table = Table(f"Checkouts over HTTP, {clients} clients, {workers} web processes")
    with database() as connection:
        shop = Shop(connection)
        with serving(workers=workers, more=SETTINGS) as web:
            figures = Figures(shop, connection, web, clients=clients, seconds=seconds)
            kinds: dict[str, tuple[bool, bool]] = {
                "checkout, ordinary code": (False, True),
                "checkout, hot code": (True, True),
                "checkout, uncapped code": (False, False),
            }
            measures: dict[str, Callable[[], float]] = {
                "empty": figures.empty,
                "one row": figures.visits,
                "top-up": figures.top_ups,
                "preview": figures.previews,
            }
            for name, (hot, capped) in kinds.items():
                measures[name] = partial(figures.checkouts, name, hot=hot, capped=capped)
            for warm in measures.values():
                warm()
            # Every session plans anew what it has planned for empty tables: that is no part of what is measured.
            connection.execute(b"VACUUM ANALYZE")
            for warm in measures.values():
                warm()
            for each in (figures.runs, figures.web_ms, figures.database_ms):
                each.clear()
            taken = in_turns(measures, turns=turns)
            for name, title in TITLES.items():
                table.add(
                    Row(
                        name=name,
                        values=taken[name],
                        against="empty",
                        base=taken["empty"],
                        goal=GOALS.get(name, GOALS["checkout, ordinary code"]),
                        title=title,
                    )
                )
            for name in ("empty", *kinds):
                half = None if name == "empty" else GOAL
                table.add(Row(name=name, values=taken[name], against="one row", base=taken["one row"], goal=half))
            for name in TITLES:
                runs = figures.runs[name]
                table.add(
                    Row(
                        name=f"{name}: 99th percentile, ms",
                        values=tuple(run.milliseconds(0.99) for run in runs),
                        against="its median, ms",
                        base=tuple(run.milliseconds(0.5) for run in runs),
                        goal=GOAL_TAIL,
                        at_most=True,
                    )
                )
            table.tell(
                a_request_sends={
                    name: str(shop.traffic(shop.issue(hot=hot, capped=capped)))
                    for name, (hot, capped) in kinds.items()
                },
                web_ms_a_request={
                    name: [round(each, 3) for each in values] for name, values in figures.web_ms.items()
                },
                database_ms_a_request={
                    name: [round(each, 3) for each in values] for name, values in figures.database_ms.items()
                },
            )
    table.print_for_readme()
    return table
