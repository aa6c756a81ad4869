"""The server's time for every page of the shop and the account, beside a million customers and their history."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from statistics import median
from typing import Any

from django.db import connection as django_connection
from django.test.utils import setup_test_environment
from psycopg.sql import SQL, Identifier

from tests.bench.cluster import Connection
from tests.bench.console.measure import dropped_after_failure, open_database, row_of, time_page
from tests.bench.table import Table
from tests.database import admin_connection, disconnect, drop_database, use_database

PAGE_MS, ROWS = 100.0, 50
CUSTOMERS, ENTRIES = 1_000_000, 1_000_000
_COPY = "qasima_bench_shop"


def measure(*, turns: int, kept: str = "") -> list[Table]:
    """Fills a database, and returns the table. Args: kept: a database to use again, filled if it is missing.

    There are a million customers, of whom 100,000 have seven vouchers and three orders each. One more, whose pages
    are measured, has 50 rows of each kind, in a shop with 50 more plans, apps, add-ons and bundles.
    """
    from tests.large_history import insert_large_history  # noqa: PLC0415 - after Django is set up

    with ExitStack() as stack:
        connection, is_filled = open_database(stack, kept)
        table = Table("Server time of the customers' pages in milliseconds, beside the most that a page may take")
        if not is_filled:
            began = time.monotonic()
            with dropped_after_failure(kept):
                insert_large_history(connection, entries=ENTRIES, codes=ENTRIES // 10, spare=CUSTOMERS)
            table.tell(filled_in=f"{time.monotonic() - began:.0f} s")
        for name in ("billing_customer", "billing_ledgerentry", "orders_order", "promos_redemption"):
            table.tell(**{name: f"{_count(connection, name):,} rows"})
        connection.close()
        stack.enter_context(_copied_database())
        _measure_pages(table, turns=turns)
        return [table]


def _measure_pages(table: Table, *, turns: int) -> None:
    from tests.customer_pages import create_pages  # noqa: PLC0415 - after Django is set up

    _leave_history_without_documents()
    setup_test_environment(debug=False)  # it gives responses their context, and lets the client name its host
    timed = [(name, time_page(client, address, turns=turns)) for name, client, address in create_pages(rows=ROWS)]
    shown = [(name, page) for name, page in timed if page]
    for name, page in sorted(shown, key=lambda each: -median(each[1].taken)):
        described = f"`{name}`, {page.queries} queries, {page.cpu_ms:.0f} ms of CPU"
        table.add(row_of(described, page.taken, PAGE_MS))
    table.tell(pages=len(shown), most_queries=max(page.queries for _, page in shown))
    table.tell(most_cpu_ms=round(max(page.cpu_ms for _, page in shown)))
    table.tell(not_shown=[name for name, page in timed if page is None])


def _leave_history_without_documents() -> None:
    """Sets the documents' position after the inserted history, whose documents would take hours to issue."""
    from billing.models import LedgerEntry  # noqa: PLC0415 - after Django is set up
    from orders.models import CardEntry, DocumentCursor  # noqa: PLC0415

    newest = max(LedgerEntry.objects.latest("pk").pk, CardEntry.objects.latest("pk").pk)
    DocumentCursor.objects.update(position=newest)


@contextmanager
def _copied_database() -> Iterator[None]:
    """Points Django at a copy of its database, which is dropped in the end: the customer is made in it."""
    kept = str(django_connection.settings_dict["NAME"])
    disconnect()
    with admin_connection() as admin:
        drop_database(admin, _COPY)
        admin.execute(SQL("CREATE DATABASE {} TEMPLATE {}").format(Identifier(_COPY), Identifier(kept)))
        use_database(_COPY)
        try:
            yield
        finally:
            use_database(kept)
            drop_database(admin, _COPY)


def _count(connection: Connection, table: str) -> Any:
    [count] = connection.execute(SQL("SELECT count(*) FROM {}").format(Identifier(table))).fetchone() or [0]
    return count
