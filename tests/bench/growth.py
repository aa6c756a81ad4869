"""The same figures in a short and in a long history, in turns: what grows with the number of rows."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import count
from statistics import median
from uuid import UUID

import psycopg
from django.test import Client

from tests.bench.clients import Crew
from tests.bench.cluster import Connection, check_durable
from tests.bench.people import make_spares, user_id
from tests.bench.table import Row, Table
from tests.database import cloned_database, parameters, use_database

# Ledger entries → codes.
SIZES = {1_000: 10, 100_000: 10_000, 10_000_000: 1_000_000}
CLIENTS = 8
# Customers that buy and redeem, spread over all of them; each has an organization that has bought nothing.
SPARES = 20_000
GOAL = 1.25
CREDIT_MINOR = 10_000
REPEATS = 40

_codes = count(1)


@dataclass(frozen=True, slots=True)
class Redeem:
    """Redeems a code for one spare customer after the other."""

    code: str
    stride: int

    def __call__(self, client: int, turn: int) -> bool:
        from billing.actor import Actor  # noqa: PLC0415 - in the client's process, after Django is set up
        from promos.use_cases.redeem_code import redeem  # noqa: PLC0415

        user = user_id(((turn * CLIENTS + client) % SPARES) * self.stride)
        redeem(code=self.code, user_id=user, by=Actor(user_id=user, role="customer", channel="api"))
        return True


@dataclass(frozen=True, slots=True)
class Buy:
    """A checkout with a voucher and a key, each of another organization; `first` is the first that has not bought."""

    code: str
    stride: int
    first: int
    tenants: tuple[str, ...]

    def __call__(self, client: int, turn: int) -> bool:
        from billing.actor import Actor  # noqa: PLC0415
        from orders.use_cases.checkout.place_order import CheckoutRequest, place_order  # noqa: PLC0415

        number = self.first + turn * CLIENTS + client
        user = user_id(number * self.stride)
        request = CheckoutRequest(
            tenant_id=UUID(self.tenants[number]),
            plan="m",
            apps=("wordpress",),
            addons=("backup",),
            promo_code=self.code,
            idempotency_key=f"key-{number}",
            fingerprint="f" * 64,
        )
        place_order(request=request, by=Actor(user_id=user, role="customer", channel="api"))
        return True


class Shop:
    """A database of one size, with clients that stand ready."""

    def __init__(self, stack: ExitStack, *, entries: int, codes: int) -> None:
        from tests.factories import AddOnFactory, AppFactory, PlanFactory  # noqa: PLC0415 - after Django is set up
        from tests.large_history import insert_large_history  # noqa: PLC0415

        self.entries, self.codes = entries, codes
        self.name = stack.enter_context(cloned_database(f"growth_{entries}"))
        self.connection: Connection = stack.enter_context(psycopg.connect(**parameters(self.name), autocommit=True))
        check_durable(self.connection)
        PlanFactory.create(slug="m", price_minor=9_000)
        AddOnFactory.create(slug="backup", price_minor=500)
        AppFactory.create(slug="wordpress")
        began = time.monotonic()
        insert_large_history(self.connection, entries=entries, codes=codes, spare=SPARES)
        self.stride = max(entries // 10, SPARES) // SPARES
        self.tenants = make_spares(self.connection, number=SPARES, stride=self.stride)
        self.built_seconds = time.monotonic() - began
        self._bought = 0
        self._client = _staff()
        self.crew = stack.enter_context(Crew())

    @property
    def size(self) -> str:
        row = self.connection.execute("SELECT pg_size_pretty(pg_database_size(current_database()))").fetchone()
        return str(row[0]) if row else ""

    def redemptions(self, seconds: float, *, capped: bool) -> float:
        """Milliseconds that a redemption takes, of each of the clients."""
        run = self.crew.run(Redeem(self._issue(capped=capped), self.stride), clients=CLIENTS, seconds=seconds)
        return 1000 * CLIENTS / run.per_second

    def checkouts(self, seconds: float) -> float:
        buy = Buy(self._issue(capped=True), self.stride, self._bought, self.tenants)
        run = self.crew.run(buy, clients=CLIENTS, seconds=seconds)
        # Clients are not equally quick, and only the sum of their calls is reported.
        self._bought += int(1.5 * run.done) + 2 * CLIENTS
        return 1000 * CLIENTS / run.per_second

    def balances(self) -> float:
        from billing.queries import balance_of  # noqa: PLC0415

        users = self._some_customers()
        return self._repeat(lambda: balance_of(user_id=next(users)))

    def page(self, path: str) -> float:
        from tests.contract.api_client import by_token  # noqa: PLC0415

        # The largest takes longer to make than a token is good for.
        token = dict(by_token("superadmin").headers)
        return self._repeat(lambda: self._get(path, token))

    def deep_page(self, path: str) -> float:
        row = self.connection.execute(
            "SELECT id FROM billing_ledgerentry ORDER BY id OFFSET %s LIMIT 1", [self.entries // 20]
        ).fetchone()
        assert row is not None
        return self.page(f"{path}?p={row[0]}")

    def _get(self, path: str, token: dict[str, str]) -> None:
        answer = self._client.get(path, headers=token)
        assert answer.status_code == 200, answer.content

    def _repeat(self, act: Callable[[], object]) -> float:
        """The median of its times, in milliseconds, on a connection that has its plans."""
        use_database(self.name)
        taken = []
        for _ in range(REPEATS):
            began = time.perf_counter()
            act()
            taken.append(time.perf_counter() - began)
        return 1000 * median(taken[REPEATS // 4 :])

    def _some_customers(self) -> Iterator[str]:
        with_history = self.entries // 10
        return (user_id(number * 7919 % with_history) for number in count())

    def _issue(self, *, capped: bool) -> str:
        from tests.factories import PromoCodeFactory  # noqa: PLC0415

        use_database(self.name)
        code = f"BENCH-{next(_codes)}"
        PromoCodeFactory.create(code=code, credit_minor=CREDIT_MINOR, max_redemptions=10_000_000 if capped else 0)
        return code


def _staff() -> Client:
    """A browser in which a superadmin is signed in."""
    from tests.console import client_of, create_user  # noqa: PLC0415

    return client_of(create_user("superadmin"))


LEDGER, ORDERS, VOUCHERS = "/admin/billing/ledgerentry/", "/admin/orders/order/", "/api/billing/admin/promos"
MEASURES: dict[str, Callable[[Shop, float], float]] = {
    "redemption, ordinary code": lambda shop, seconds: shop.redemptions(seconds, capped=True),
    "redemption, uncapped code": lambda shop, seconds: shop.redemptions(seconds, capped=False),
    "checkout with voucher and key": lambda shop, seconds: shop.checkouts(seconds),
    "balance and newest entries": lambda shop, seconds: shop.balances(),
    "ledger in the console, first page": lambda shop, seconds: shop.page(LEDGER),
    "ledger in the console, a deep page": lambda shop, seconds: shop.deep_page(LEDGER),
    "orders in the console, first page": lambda shop, seconds: shop.page(ORDERS),
    "vouchers, first page": lambda shop, seconds: shop.page(f"{VOUCHERS}?limit=10"),
}


def measure(*, turns: int, seconds: float, largest: int) -> Table:
    """The whole table; `largest` bounds the ledger entries."""
    sizes = {entries: codes for entries, codes in SIZES.items() if entries <= largest}
    with ExitStack() as stack:
        shops = [Shop(stack, entries=entries, codes=codes) for entries, codes in sizes.items()]
        table = Table(f"Milliseconds in a long history ÷ in a short one, {CLIENTS} clients")
        table.tell(
            databases={
                f"{shop.entries:,} entries, {shop.codes:,} codes": f"{shop.size}, made in {shop.built_seconds:.0f} s"
                for shop in shops
            }
        )
        for name, act in MEASURES.items():
            taken: dict[int, list[float]] = {shop.entries: [] for shop in shops}
            for shop in shops:
                act(shop, seconds / 2)
            for _ in range(turns):
                for shop in shops:
                    taken[shop.entries].append(act(shop, seconds))
            small = tuple(taken[shops[0].entries])
            for shop in shops[1:]:
                table.add(
                    Row(
                        name=f"{name}: {shop.entries:,}",
                        values=tuple(taken[shop.entries]),
                        against=f"{shops[0].entries:,}",
                        base=small,
                        goal=GOAL,
                        at_most=True,
                    )
                )
    return table
