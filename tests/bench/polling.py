"""The endpoint that clients poll until their organization is live, over HTTP, beside an empty Django view."""

from functools import partial
from itertools import repeat

from tests.bench.cluster import database
from tests.bench.load import fire, request
from tests.bench.table import Row, Table, in_turns
from tests.bench.web import bearer, serving

CLIENTS = 32
WORKERS = 2
OK = 200
GOAL = 0.6


def measure(*, turns: int, seconds: float, clients: int = CLIENTS, workers: int = WORKERS) -> Table:
    """The whole table."""
    table = Table(f"Polling over HTTP, {clients} clients, {workers} web processes")
    with database():
        tenant = _provisioned_organization()
        polls = {
            "provisioning/tenant": f"/api/provisioning/tenant/{tenant}",
            "provisioning/jobs": f"/api/provisioning/jobs?tenant_id={tenant}",
        }
        with serving(workers=workers) as web:

            def rate(path: str) -> float:
                payload = request(path, token=bearer("ada"))
                answered = fire(web.port, repeat(payload), clients=clients, seconds=seconds, processes=workers)
                assert set(answered.statuses) == {OK}, answered.statuses
                return answered.per_second

            measures = {"empty": partial(rate, "/api/bench/empty")}
            measures |= {name: partial(rate, path) for name, path in polls.items()}
            for warm in measures.values():
                warm()
            taken = in_turns(measures, turns=turns)
            for name in polls:
                table.add(Row(name=name, values=taken[name], against="empty", base=taken["empty"], goal=GOAL))
    return table


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
