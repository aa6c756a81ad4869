"""Measures the server's time for every page of the console, beside the most that a page may take."""

import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from math import inf
from pathlib import Path
from statistics import median
from typing import Any
from unittest import mock

import psycopg
from django.core.management import call_command
from django.db import connection as django_connection
from django.template import Template
from django.test import Client
from django.test.utils import setup_test_environment

from tests.bench.cluster import Connection, database
from tests.bench.table import Row, Table
from tests.database import (
    admin_connection,
    databases,
    disconnect,
    drop_database,
    ensure_template,
    parameters,
    template_lock,
    use_database,
)

from .fill import BATCH, fill_database

PAGE_MS, DASHBOARD_MS = 300.0, 500.0
BATCH_SECONDS, EXPORT_SECONDS, FORECAST_SECONDS = 60.0, 60.0, 15.0
EXPORT_MIB = 20.0
_TICKS = os.sysconf("SC_CLK_TCK")
_KEY = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{20,}|(?<==)\d{6,}")


@dataclass(frozen=True, slots=True)
class Page:
    """The milliseconds that a page took, and its work: CPU time of this process and of the database."""

    address: str
    taken: tuple[float, ...]
    cpu_ms: float
    queries: int

    @property
    def name(self) -> str:
        shown = _KEY.sub("…", self.address.removeprefix("/admin")).replace("__exact", "")
        return f"`{shown}`, {self.queries} queries, {self.cpu_ms:.0f} ms of CPU"


def measure(*, turns: int, entries: int, cards: int, kept: str = "") -> list[Table]:
    """Fills a database, and returns the tables. Args: kept: a database to use again, filled if it is missing."""
    with ExitStack() as stack:
        connection, is_filled = open_database(stack, kept)
        bulk = Table("Bulk work in seconds, beside the most that it may take")
        if not is_filled:
            with dropped_after_failure(kept):
                filled = fill_database(connection, cards=cards, entries=entries, codes=max(entries // 50, 7))
            bulk.tell(
                filled_in_seconds={name: round(taken) for name, taken in filled.seconds.items()},
                together=f"{sum(filled.seconds.values()):.0f} s",
            )
            bulk.add(row_of(f"a batch of {cards:,} cards", (filled.seconds["cards"],), BATCH_SECONDS))
        _measure_bulk(bulk)
        return [bulk, _measure_pages(turns=turns)]


def open_database(stack: ExitStack, kept: str) -> tuple[Connection, bool]:
    """Opens a database that is dropped in the end, or the one that is kept. Returns whether it was filled before."""
    if not kept:
        return stack.enter_context(database("bench")), False
    with admin_connection() as admin, template_lock(admin):
        template = ensure_template(admin, rebuild=False)
        is_filled = kept in databases(admin, kept)
        if not is_filled:
            admin.execute(f'CREATE DATABASE "{kept}" TEMPLATE "{template}"'.encode())
    use_database(kept)
    if is_filled:
        call_command("migrate", verbosity=0)  # an earlier version of the code may have filled it
    return stack.enter_context(psycopg.connect(**parameters(kept), autocommit=True)), is_filled


@contextmanager
def dropped_after_failure(kept: str) -> Iterator[None]:
    """Drops the database that is to be kept if its fill fails: half of it would be taken for the whole."""
    try:
        yield
    except BaseException:
        if kept:
            disconnect()
            with admin_connection() as admin:
                drop_database(admin, kept)
        raise


def _measure_bulk(table: Table) -> None:
    from orders.use_cases.campaigns.forecast_campaign import Question, forecast_campaign  # noqa: PLC0415
    from promos.models import Batch, Campaign  # noqa: PLC0415
    from promos.use_cases.cards.export_cards import export_csv  # noqa: PLC0415
    from tests.factories import actor  # noqa: PLC0415

    batch = Batch.objects.get(promo_code__code=BATCH)
    before, lines, began = resident_mib(), 0, time.monotonic()
    for _ in export_csv(batch):
        lines += 1
    assert lines == batch.size + 1
    table.add(row_of(f"its export of {batch.size:,} lines", (time.monotonic() - began,), EXPORT_SECONDS))
    table.add(row_of("memory that the export added, MiB", (max(resident_mib() - before, 0.1),), EXPORT_MIB))
    draft = Campaign.objects.get(name="Not started")
    began, before = time.monotonic(), resident_mib()
    question = Question(credit_minor=10_000, days=366)
    forecast = forecast_campaign(campaign_id=draft.pk, question=question, by=actor()).forecast or {}
    name = f"a forecast by {forecast['orders']:,} past orders, one customer in {forecast['sampled_one_in']}"
    table.add(row_of(name, (time.monotonic() - began,), FORECAST_SECONDS))
    table.add(row_of("memory that the forecast added, MiB", (max(resident_mib() - before, 0.1),), EXPORT_MIB))


def _measure_pages(*, turns: int) -> Table:
    from billing.models import User  # noqa: PLC0415
    from tests.bench.console.addresses import DASHBOARD, all_addresses  # noqa: PLC0415
    from tests.console import client_of, create_user  # noqa: PLC0415

    setup_test_environment(debug=False)  # it gives responses their context, and lets the client name its host
    client = client_of(User.objects.filter(username="superadmin").first() or create_user("superadmin"))
    client.raise_request_exception = False  # a page that fails is a row of the table
    table = Table("Server time of the console's pages in milliseconds, beside the most that a page may take")
    timed = {each: time_page(client, each, turns=turns) for each in all_addresses(client)}
    pages = [page for page in timed.values() if page]
    pages.sort(key=lambda page: -median(page.taken))
    for page in pages:
        table.add(row_of(page.name, page.taken, DASHBOARD_MS if page.address == DASHBOARD else PAGE_MS))
    table.tell(pages=len(pages), most_queries=max(page.queries for page in pages))
    table.tell(not_shown=[address for address, page in timed.items() if page is None])
    return table


def time_page(client: Client, address: str, *, turns: int) -> Page | None:
    """Times a page on a session that has its plans. Returns None for one that is not shown to this user.

    A page that fails takes for ever.
    """
    sent: list[str] = []

    def count(execute: Any, sql: str, *arguments: Any) -> Any:
        sent.append(sql)
        return execute(sql, *arguments)

    with django_connection.execute_wrapper(count):
        status = client.get(address).status_code
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return Page(address, (inf,), 0, len(sent))
    if status != HTTPStatus.OK:
        return None
    database_cpu = _database_cpu()
    taken, began = [], time.process_time() + database_cpu()
    with _templates_as_served():
        for _ in range(turns):
            started = time.perf_counter()
            client.get(address)
            taken.append(1000 * (time.perf_counter() - started))
    cpu_ms = 1000 * (time.process_time() + database_cpu() - began) / turns
    return Page(address, tuple(taken), cpu_ms, len(sent))


@contextmanager
def _templates_as_served() -> Iterator[None]:
    """Renders templates as the server does: the test environment copies the context of each."""
    with mock.patch.object(Template, "_render", lambda template, context: template.nodelist.render(context)):
        yield


def _database_cpu() -> Callable[[], float]:
    """Returns a clock of the CPU seconds of the session's server process and of processes that end beside it."""
    with django_connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        [pid] = cursor.fetchone()
    server = int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])

    def read() -> float:
        session = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        ended = Path(f"/proc/{server}/stat").read_text().rsplit(")", 1)[1].split()
        return sum(int(each) for each in (*session[11:13], *ended[13:15])) / _TICKS

    return read


def row_of(name: str, taken: tuple[float, ...], allowed: float) -> Row:
    """Returns a row of what was measured beside the most that it may be."""
    return Row(name=name, values=taken, against="the most", base=(allowed,) * len(taken), goal=1, at_most=True)


def resident_mib() -> float:
    """Returns the memory that this process has, in MiB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20
