"""The lists of the starting catalog over HTTP, beside an empty Django view."""

from functools import partial
from itertools import repeat

from tests.bench.cluster import database
from tests.bench.load import fire, request
from tests.bench.table import Row, Table, in_turns
from tests.bench.web import serving

CLIENTS = 32
WORKERS = 2
OK = 200
GOAL = 0.7
LISTS = ("plans", "apps", "industries")


def measure(*, turns: int, seconds: float, clients: int = CLIENTS, workers: int = WORKERS) -> Table:
    """The whole table."""
    from orders.use_cases.catalog.seed_catalog import seed_catalog  # noqa: PLC0415 - after Django is set up

    table = Table(f"The catalog over HTTP, {clients} clients, {workers} web processes")
    with database():
        seed_catalog()
        with serving(workers=workers) as web:

            def rate(path: str) -> float:
                answered = fire(web.port, repeat(request(path)), clients=clients, seconds=seconds, processes=workers)
                assert set(answered.statuses) == {OK}, answered.statuses
                return answered.per_second

            measures = {"empty": partial(rate, "/api/bench/empty")}
            measures |= {f"list of {name}": partial(rate, f"/api/catalog/{name}") for name in LISTS}
            for warm in measures.values():
                warm()
            taken = in_turns(measures, turns=turns)
            for name in list(measures)[1:]:
                title = f"{name} of the catalog over HTTP, {clients} clients"
                base = taken["empty"]
                table.add(Row(name=name, values=taken[name], against="empty", base=base, goal=GOAL, title=title))
    table.print_for_readme()
    return table
