"""The benchmarks' own parts, with a few rows: that they measure what they say, and see what is wrong."""

import json
import socket
from collections.abc import Iterator
from itertools import repeat
from pathlib import Path
from threading import Thread

import psycopg
import pytest
from django.db import connection as django_connection

from tests.bench import __main__ as command
from tests.bench import startup
from tests.bench.bulk import Bulk, GrantMany, RedeemMany, users_of
from tests.bench.checkout import Figures, Shop
from tests.bench.clients import Act, Crew, Run
from tests.bench.cluster import Connection, check_durable
from tests.bench.load import fire, request
from tests.bench.people import make_customers
from tests.bench.redemption import CREDIT_MINOR, Redeem, check_exact
from tests.bench.scaling import Cores, limit
from tests.bench.table import Row, Table, in_turns, spread, write_json
from tests.bench.web import ADDRESS, serving
from tests.database import database_environment, parameters
from tests.factories import PromoCodeFactory
from tests.rules import corrupt

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def connection() -> Iterator[Connection]:
    at = parameters(str(django_connection.settings_dict["NAME"]))
    with psycopg.connect(**at, autocommit=True) as made:
        yield made


class Here(Crew):
    """Each client calls twice, one after the other, in this process."""

    def __init__(self) -> None:
        super().__init__(processes=0)

    def run(self, act: Act, *, clients: int, seconds: float) -> Run:
        done = [act(client, turn) for turn in range(2) for client in range(clients)]
        latencies = [0.25] * len(done)
        return Run(done=sum(done), refused=done.count(False), seconds=2, cpu_seconds=1, latencies=latencies)


def row(*values: float, base: tuple[float, ...], goal: float | None = None, at_most: bool = False) -> Row:
    return Row(name="mine", values=values, against="theirs", base=base, goal=goal, at_most=at_most)


def test_ratio_is_the_median_of_each_turns_own() -> None:
    assert row(10, 40, 30, base=(10, 10, 20)).ratio == 1.5
    assert row(10, base=(20,)).ratio == 0.5


def test_goal_is_met_from_it_on_or_up_to_it() -> None:
    base = (10.0,)
    assert row(20, base=base).met is None
    assert [row(value, base=base, goal=2).met for value in (19.9, 20, 20.1)] == [False, True, True]
    assert [row(value, base=base, goal=2, at_most=True).met for value in (19.9, 20, 20.1)] == [True, True, False]


def test_what_is_measured_takes_turns_and_is_kept_with_its_spread(tmp_path: Path) -> None:
    order: list[str] = []

    def of(name: str) -> float:
        order.append(name)
        return float(len(order))

    taken = in_turns({"a": lambda: of("a"), "b": lambda: of("b")}, turns=3)
    assert order == ["a", "b"] * 3
    assert taken == {"a": (1, 3, 5), "b": (2, 4, 6)}
    assert [spread((1, 3, 2)), spread((1500, 900, 1200))] == ["2 (1-3)", "1,200 (900-1,500)"]
    table = Table("one")
    table.add(row(1, 3, 5, base=(2, 4, 6), goal=0.7))
    table.tell(note="said")
    write_json(tmp_path / "figures" / "one.json", [table])
    [kept] = json.loads((tmp_path / "figures" / "one.json").read_text())["tables"]
    assert (kept["title"], kept["facts"]) == ("one", {"note": "said"})
    assert [(each["median"], each["ratio"], each["met"]) for each in kept["rows"]] == [(3, 0.75, True)]


def test_run_knows_its_rate_and_its_tail() -> None:
    run = Run(done=40, refused=10, seconds=4, cpu_seconds=1, latencies=[0.001 * number for number in range(1, 51)])
    assert run.per_second == 10
    assert [round(run.latency(share)) for share in (0, 0.5, 0.99, 1)] == [1, 26, 50, 50]


@pytest.mark.parametrize(
    ("cores", "processes", "said"),
    [
        (Cores(web=0.95, database=0.4, load=0.1, idle=0.5), 1, "the web processes compute all the time"),
        (Cores(web=1.0, database=0.8, load=0.1, idle=0.1), 2, "no core is left; the web processes take the most"),
        (Cores(web=0.7, database=1.1, load=0.1, idle=0.1), 2, "no core is left; the database take the most"),
        (Cores(web=0.5, database=0.4, load=0.1, idle=0.1), 2, "others on this machine take 0.9 cores"),
        (Cores(web=0.5, database=0.4, load=0.1, idle=0.9), 2, "cores are free: requests wait for commits"),
    ],
)
def test_limit_is_named(cores: Cores, processes: int, said: str) -> None:
    assert said in limit(cores, processes=processes, machine=2)


@pytest.fixture
def answering() -> Iterator[int]:
    """A server that answers GET with 200 and POST with 404, each answer in three pieces; its port."""
    with socket.create_server((ADDRESS, 0)) as server:

        def answer(client: socket.socket) -> None:
            with client:
                while asked := client.recv(65_536):
                    status = b"200 OK" if asked.startswith(b"GET ") else b"404 Not Found"
                    for piece in (b"HTTP/1.1 " + status, b"\r\nContent-Length: 4\r\n\r\nbo", b"dy"):
                        client.sendall(piece)

        def accept() -> None:
            for _ in range(3):
                Thread(target=answer, args=(server.accept()[0],), daemon=True).start()

        Thread(target=accept, daemon=True).start()
        yield server.getsockname()[1]


def test_load_counts_every_answer_once_by_its_status(answering: int) -> None:
    payloads = iter([request("/a"), request("/b", {"x": 1}), *repeat(request("/a"), 7)])
    answered = fire(answering, payloads, clients=3, seconds=30)
    assert answered.statuses == {200: 8, 404: 1}
    assert len(answered.latencies) == 9
    assert answered.latencies == sorted(answered.latencies)
    assert answered.per_second == 9 / answered.seconds


def test_load_ends_when_the_time_is_over(answering: int) -> None:
    answered = fire(answering, repeat(request("/a")), clients=3, seconds=0)
    assert answered.statuses == {200: 3}


def test_request_is_what_a_server_reads() -> None:
    assert request("/a") == b"GET /a HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    head, _, body = request("/b", {"x": 1}, token="t", key="k").partition(b"\r\n\r\n")
    assert body == b'{"x": 1}'
    assert head.split(b"\r\n")[0] == b"POST /b HTTP/1.1"
    assert {b"Authorization: Bearer t", b"Idempotency-Key: k", b"Content-Length: 8"} <= set(head.split(b"\r\n"))


def test_server_that_forgets_what_it_committed_is_refused(connection: Connection) -> None:
    connection.execute(b"SET synchronous_commit = off")
    with pytest.raises(RuntimeError, match="is off on this server"):
        check_durable(connection)


@pytest.mark.parametrize(
    "lost",
    [
        "DELETE FROM billing_ledgerentry WHERE id = (SELECT id FROM billing_ledgerentry LIMIT 1)",
        "DELETE FROM promos_redemption WHERE id = (SELECT id FROM promos_redemption LIMIT 1)",
        "UPDATE promos_promocounter SET used = used - 1",
        "UPDATE billing_ledgerentry SET amount_minor = 1 WHERE id = (SELECT id FROM billing_ledgerentry LIMIT 1)",
    ],
)
def test_a_row_that_is_lost_is_seen(connection: Connection, lost: str) -> None:
    make_customers(connection, number=4)
    PromoCodeFactory.create(code="BENCH", credit_minor=CREDIT_MINOR, max_redemptions=9)
    act = Redeem(("BENCH",), clients=2)
    assert [act(client, turn) for turn in range(2) for client in range(2)] == [True] * 4
    check_exact(connection, ("BENCH",), 4)
    corrupt(lost)
    with pytest.raises(AssertionError):
        check_exact(connection, ("BENCH",), 4)


def test_bulk_counts_customers_and_checks_them(connection: Connection) -> None:
    make_customers(connection, number=12)
    bulk = Bulk(connection, Here(), seconds=0)
    assert users_of(clients=2, client=1, turn=1, batch=3) == ["c-9", "c-10", "c-11"]
    assert (bulk.redemptions(batch=3), bulk.redemptions(capped=False, batch=3), bulk.grants(batch=3)) == (6, 6, 6)
    assert {name: len(runs) for name, runs in bulk.runs.items()} == {"redemptions by 3": 2, "grants by 3": 1}
    assert GrantMany("again", 3, 1)(0, 0)
    assert not GrantMany("again", 3, 1)(0, 0)
    PromoCodeFactory.create(code="FEW", max_redemptions=2)
    assert not RedeemMany("FEW", 3, 1)(0, 0)


def test_crew_calls_in_processes_of_its_own(connection: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", database_environment()["DATABASE_URL"])
    make_customers(connection, number=2_000)
    PromoCodeFactory.create(code="BENCH", credit_minor=CREDIT_MINOR, max_redemptions=5)
    with Crew(processes=1) as crew:
        run = crew.run(Redeem(("BENCH",), clients=2), clients=2, seconds=0.2)
        with pytest.raises(RuntimeError, match="PromoNotFound"):
            crew.run(Redeem(("NOSUCH",), clients=1), clients=1, seconds=0.1)
    check_exact(connection, ("BENCH",), 5)
    assert (run.done, len(run.latencies)) == (5, 5 + run.refused)


def test_server_is_loaded_and_looked_at(connection: Connection) -> None:
    try:
        shop = Shop(connection, customers=60)
        with serving(workers=1, more={"TRUSTED_PROXIES": "127.0.0.1/32"}) as web:
            assert web.ready_seconds > 0
            table = Table("memory")
            startup.memory(table, shop, web, requests=100)
            figures = Figures(shop, connection, web, clients=2, seconds=5)
            assert figures.checkouts("checkout", hot=True, capped=True) > 0
    finally:
        connection.execute(b"DROP SCHEMA peer CASCADE")
    [memory] = table.rows
    assert 20 < min(memory.base + memory.values) <= max(memory.base + memory.values) < 500
    assert list(table.facts["resident_MiB_of_each_worker"]) == [
        f"after {number} requests" for number in (0, 1, 10, 100)
    ]
    # A quarter of the mix were checkouts; the other customers buy in the second run, until there are none left.
    assert figures.runs["checkout"][0].statuses == {200: 35}


def test_what_there_is_not_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        command.main(["nosuch"])
    assert ended.value.code == 2
    assert "there is no nosuch" in capsys.readouterr().err
