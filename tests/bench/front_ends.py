"""The requests that front ends repeat, over HTTP, beside an empty Django view of the same server."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from itertools import repeat
from statistics import median

from tests.bench.cluster import Connection, database
from tests.bench.load import fire, request
from tests.bench.table import Row, Table, in_turns
from tests.bench.web import JWT_SECRET, Web, bearer, database_cpu_seconds, serving
from tests.database_traffic import measure_traffic

CLIENTS = 32
WORKERS = 2
OK = 200
GOAL = 0.6
MAX_QUERIES = 3
# After this many requests a session has prepared its statements.
PREPARED = 9
EMPTY = "/api/bench/empty"


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A path below the API root, and the token of its reader."""

    path: str
    token: str

    def request(self) -> bytes:
        return request(f"/api/{self.path}", token=self.token)


@dataclass(slots=True, kw_only=True)
class Costs:
    """The milliseconds of CPU time that a request took, a value for each turn."""

    web: list[float] = field(default_factory=list)
    database: list[float] = field(default_factory=list)


def measure(*, turns: int, seconds: float, clients: int = CLIENTS, workers: int = WORKERS) -> Table:
    """The whole table."""
    from django.test import override_settings  # noqa: PLC0415 - after Django is set up

    table = Table(f"Front ends over HTTP, {clients} clients, {workers} web processes")
    # This process signs the tokens that the server verifies.
    with override_settings(JWT_SECRET=JWT_SECRET), database() as connection:
        pages = make_pages()
        queries = count_queries(pages)
        payloads = {"empty": request(EMPTY), **{name: page.request() for name, page in pages.items()}}
        costs = {name: Costs() for name in payloads}
        with serving(workers=workers) as web:

            def rate(name: str) -> float:
                return _fire(web, connection, payloads[name], costs[name], clients=clients, seconds=seconds)

            measures = {name: partial(rate, name) for name in payloads}
            for warm in measures.values():
                warm()
            for each in costs.values():
                each.web.clear()
                each.database.clear()
            taken = in_turns(measures, turns=turns)
            for name in pages:
                table.add(Row(name=name, values=taken[name], against="empty", base=taken["empty"], goal=GOAL))
        for name, number in queries.items():
            values, base = (float(number),), (float(MAX_QUERIES),)
            table.add(
                Row(name=f"{name}, queries", values=values, against="asked for", base=base, goal=1, at_most=True)
            )
        table.tell(
            web_ms_a_request={name: round(median(each.web), 3) for name, each in costs.items()},
            database_ms_a_request={name: round(median(each.database), 3) for name, each in costs.items()},
        )
    return table


def make_pages() -> Mapping[str, Page]:
    """Makes a customer with a live organization and an app job, and a member of staff. Returns what they read."""
    from django.contrib.auth.models import Group  # noqa: PLC0415 - after Django is set up

    from billing.actor import SOVEREIGN_ADMIN  # noqa: PLC0415
    from billing.use_cases.identity.sessions import open_session  # noqa: PLC0415
    from tests.factories import UserFactory  # noqa: PLC0415

    tenant = _provisioned_organization()
    noor = UserFactory.create()
    noor.groups.add(Group.objects.get(name=SOVEREIGN_ADMIN))
    customer = open_session(user=UserFactory.create(), method="code").access
    staff = open_session(user=noor, method="password").access
    ada = bearer("ada")
    return {
        "auth/me, customer": Page(path="auth/me", token=customer),
        "auth/me, staff": Page(path="auth/me", token=staff),
        "tenant/orgs": Page(path="tenant/orgs", token=ada),
        "provisioning/tenant": Page(path=f"provisioning/tenant/{tenant}", token=ada),
        "provisioning/jobs": Page(path=f"provisioning/jobs?tenant_id={tenant}", token=ada),
    }


def count_queries(pages: Mapping[str, Page]) -> dict[str, int]:
    """Returns the number of SQL statements of an answer, once the session has prepared them."""
    from django.test import Client  # noqa: PLC0415 - after Django is set up

    counted = {}
    for name, page in pages.items():
        call = partial(Client().get, f"/api/{page.path}", headers={"Authorization": f"Bearer {page.token}"})
        for _ in range(PREPARED):
            assert call().status_code == OK
        counted[name] = measure_traffic(call).statements
    return counted


def _fire(web: Web, connection: Connection, payload: bytes, costs: Costs, *, clients: int, seconds: float) -> float:
    """Returns the answers a second."""
    workers = len(web.processes()) - 1
    in_web, in_database = web.cpu_seconds(), database_cpu_seconds(connection)
    answered = fire(web.port, repeat(payload), clients=clients, seconds=seconds, processes=workers)
    assert set(answered.statuses) == {OK}, answered.statuses
    number = len(answered.latencies)
    costs.web.append(1000 * (web.cpu_seconds() - in_web) / number)
    costs.database.append(1000 * (database_cpu_seconds(connection) - in_database) / number)
    return answered.per_second


def _provisioned_organization() -> str:
    from orders import tasks  # noqa: PLC0415 - after Django is set up
    from orders.use_cases.checkout.place_order import CheckoutRequest, place_order  # noqa: PLC0415
    from tests.factories import (  # noqa: PLC0415
        AppFactory,
        CustomerFactory,
        OrganizationFactory,
        PlanFactory,
        acting,
        give_credit,
    )

    PlanFactory.create(slug="m")
    AppFactory.create(slug="wordpress")
    ada = CustomerFactory.create(user_id="ada")
    give_credit(ada, 9_000)
    organization = OrganizationFactory.create(customer=ada)
    asked = CheckoutRequest(tenant_id=organization.id, plan="m", apps=("wordpress",))
    tasks.provision_organization(str(place_order(request=asked, by=acting(ada)).order_id))
    return str(organization.id)
