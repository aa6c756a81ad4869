"""The desk of auditors and finance in a long ledger: pages, past instants, the chain, the month end and exports."""

import os
import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack, suppress
from dataclasses import asdict
from datetime import datetime, timedelta
from functools import partial
from itertools import islice
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING
from uuid import uuid4

from django.db import OperationalError
from django.db import connection as django_connection
from django.test import Client
from django.test.utils import setup_test_environment
from django.utils import timezone

from tests.bench.cluster import Connection
from tests.bench.console.measure import PAGE_MS, dropped_after_failure, open_database, resident_mib, row_of, time_page
from tests.bench.table import Row, Table

if TYPE_CHECKING:
    from orders.use_cases.books.month import Month

AS_OF_MS, TRIAL_SECONDS, CHAIN_RATE = 50.0, 10.0, 200_000.0
# Half the time between two snapshots is the farthest that an instant can be from one.
LIABILITY_SECONDS = 1.0
EXPORTED_ROWS, MEMORY_GROWTH = 1_000_000, 1.05
CUSTOMERS_ASKED = 200
LEDGER = "/admin/billing/ledgerentry/"
# A customer whose credit expires, in many lots.
SAVER, LOTS = "c-7", 150


def measure(*, turns: int, entries: int, kept: str = "") -> list[Table]:
    """Fills a database, and returns the tables. Args: kept: a database to use again, filled if it is missing."""
    with ExitStack() as stack:
        connection, is_filled = open_database(stack, kept)
        bulk = Table("The books of a long ledger, beside the goal")
        if not is_filled:
            began = time.monotonic()
            with dropped_after_failure(kept):
                fill_books(connection, entries=entries)
            bulk.tell(filled_in=f"{time.monotonic() - began:.0f} s")
        month = _last_month()
        pages = _measure_pages(month, turns=turns)
        _measure_books(bulk, month, turns=turns)
        _measure_exports(bulk)
        return [pages, bulk]


def fill_books(connection: Connection, *, entries: int) -> None:
    """Fills an empty database with years of history, a customer of many lots, a signed head and a closed month.

    The last two years' months are not closed but for the last one: closing begins with any.
    """
    from billing.models import Customer  # noqa: PLC0415 - after Django is set up, as all of these
    from billing.use_cases.ledger.post_entry import grant_credit, spend_credit  # noqa: PLC0415
    from billing.use_cases.proof.seal_ledger import seal_ledger  # noqa: PLC0415
    from orders.use_cases.books.close_month import close_month  # noqa: PLC0415
    from tests.factories import actor  # noqa: PLC0415
    from tests.large_history import insert_large_history  # noqa: PLC0415

    insert_large_history(connection, entries=entries, codes=max(entries // 10, 7))
    saver = Customer.objects.get(user_id=SAVER).pk
    for days in range(1, LOTS + 1):
        expires_at = timezone.now() + timedelta(days=days)
        grant_credit(customer_id=saver, amount_minor=100, reason="gift", expires_at=expires_at, by=actor())
        spend_credit(customer_id=saver, amount_minor=90, order_id=uuid4(), by=actor())
    seal_ledger()
    close_month(month=_last_month(), why="a measure", by=actor())


def _last_month() -> "Month":
    from orders.use_cases.books.month import Month  # noqa: PLC0415

    return Month((timezone.now().replace(day=1) - timedelta(days=1)).replace(day=1).date())


def _database_cpu() -> float:
    """Returns the CPU seconds of all processes of the database's server, those that have ended too."""
    with django_connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        [pid] = cursor.fetchone()
    server = _read_stat(Path(f"/proc/{pid}"))[1]
    ticks = sum(map(int, _read_stat(Path(f"/proc/{server}"))[13:15]))
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            stat = _read_stat(process)
            if stat[1] == server:
                ticks += sum(map(int, stat[11:13]))
    return ticks / os.sysconf("SC_CLK_TCK")


def _read_stat(process: Path) -> list[str]:
    return (process / "stat").read_text().rsplit(")", 1)[1].split()


def _measure_pages(month: "Month", *, turns: int) -> Table:
    from billing.models import User  # noqa: PLC0415
    from tests.console import client_of, create_user  # noqa: PLC0415
    from tests.contract.api_client import by_token  # noqa: PLC0415

    setup_test_environment(debug=False)  # it gives responses their context, and lets the client name its host
    console = client_of(User.objects.filter(username="superadmin").first() or create_user("superadmin"))
    table = Table(
        "Server time of the pages of auditors and finance in milliseconds, beside the most that a page may take"
    )
    missing = []
    for address in (*console_addresses(month), *api_addresses(month)):
        is_page = address.startswith("/admin/")
        # A token of its own for each address: those of slow pages would outlive one.
        client = console if is_page else Client(headers=dict(by_token("superadmin").headers))
        try:
            page = time_page(client, address, turns=turns)
        except OperationalError:  # it took longer than a statement may
            page = None
        if page is None:
            missing.append(address)
        else:
            table.add(row_of(page.name, page.taken, PAGE_MS))
    table.tell(pages=len(table.rows), not_shown=missing)
    return table


def console_addresses(month: "Month") -> list[str]:
    """Returns the addresses of the ledger with its filters, of past instants, explanations, proof and month end."""
    from billing.models import AuditEntry, LedgerEntry, LedgerHead  # noqa: PLC0415
    from orders.models import ClosedMonth, Order  # noqa: PLC0415

    entry = LedgerEntry.objects.order_by("-pk")[LedgerEntry.objects.count() // 2]
    order = Order.objects.latest("pk")
    day = f"{entry.created_at:%Y-%m-%d}"
    kept = [
        *(f"/admin/billing/ledgerhead/{pk}/change/" for pk in LedgerHead.objects.values_list("pk", flat=True)[:1]),
        *(f"/admin/orders/closedmonth/{pk}/change/" for pk in ClosedMonth.objects.values_list("pk", flat=True)[:1]),
        f"/admin/billing/auditentry/{AuditEntry.objects.latest('pk').pk}/change/",
        f"{LEDGER}{entry.pk}/change/",
    ]
    filters = [
        "kind__exact=spend",
        "kind__exact=reversal",
        "credit_class=promotional",
        "credit_class=sold",
        f"customer={SAVER}",
        "customer=c-11@example.org",
        "campaign=General",
        "at_least=10",
        "at_least=1000",
        "at_most=-9",
        f"created_at_from={day}&created_at_to={day}",
        f"created_at_from={day}&kind__exact=spend&at_least=5",
        f"p={entry.pk}",
        f"q={order.pk}",
        f"q={SAVER}",
        "q=nowhere",
    ]
    past = f"{LEDGER}past/?at={day}+12:00:00"
    return [
        LEDGER,
        *(f"{LEDGER}?{each}" for each in filters),
        f"{LEDGER}totals/?created_at_from={day}&created_at_to={day}",
        f"{LEDGER}totals/?customer={SAVER}",
        f"{past}&customer={SAVER}",
        f"{past}&customer=c-11",
        f"{past}&code=GROWN-7",
        f"{past}&campaign=General",
        f"{LEDGER}explain/?customer={SAVER}",
        f"{LEDGER}explain/?customer={SAVER}&pdf=1",
        f"{LEDGER}explain/?order={order.pk}",
        f"{LEDGER}export/",
        "/admin/billing/ledgerhead/",
        "/admin/billing/ledgercheck/",
        "/admin/orders/closedmonth/",
        "/admin/orders/closedmonth/add/",
        "/admin/orders/postingrule/",
        "/admin/orders/cardentry/",
        "/admin/orders/cardentry/?kind__exact=refund",
        "/admin/orders/document/",
        "/admin/orders/break/",
        "/admin/billing/auditentry/",
        "/admin/billing/auditentry/?q=issuer",
        "/admin/billing/auditentry/?q=nowhere",
        *kept,
    ]


def api_addresses(month: "Month") -> list[str]:
    """Returns the addresses of the API for auditors and finance."""
    from orders.models import Order  # noqa: PLC0415

    at = f"{month.finish:%Y-%m-%dT%H:%M:%SZ}"
    past = "/api/billing/admin/past"
    return [
        f"{past}/balance?user_id={SAVER}&at={at}",
        f"{past}/voucher?code=GROWN-7&at={at}",
        f"/api/billing/admin/explain?user_id={SAVER}",
        f"/api/billing/admin/explain?order_id={Order.objects.latest('pk').pk}",
        "/api/billing/admin/months",
        f"/api/billing/admin/months/{month.name}",
        "/api/billing/admin/documents?limit=50",
    ]


def _measure_books(table: Table, month: "Month", *, turns: int) -> None:
    from billing.models import Customer, LedgerEntry  # noqa: PLC0415
    from billing.use_cases.past.position_at import position_at  # noqa: PLC0415
    from billing.use_cases.past.trial_balance import trial_balance  # noqa: PLC0415
    from billing.use_cases.proof.verify_chain import verify_chain  # noqa: PLC0415
    from orders.use_cases.books.journal import current_postings, journal_lines  # noqa: PLC0415
    from orders.use_cases.books.roll_forward import roll_forward  # noqa: PLC0415

    number = Customer.objects.count()
    customers = [Customer.objects.get(user_id=f"c-{n * 7919 % number}") for n in range(CUSTOMERS_ASKED)]
    customers.append(Customer.objects.get(user_id=SAVER))
    now = timezone.now()
    instants = [now - timedelta(days=n * 3 % 700, microseconds=n) for n in range(len(customers))]
    taken = [
        1000 * _seconds(partial(position_at, each, at=at, with_lots=True))
        for each, at in zip(customers, instants, strict=True)
    ]
    table.add(row_of("balance and lots of a customer as of an instant, median, ms", (median(taken),), AS_OF_MS))
    table.add(row_of("… the slowest, ms", (max(taken),), AS_OF_MS))

    def repeat(act: Callable[[], object]) -> tuple[float, ...]:
        return tuple(_seconds(act) for _ in range(turns))

    halfway: datetime = LedgerEntry.objects.order_by("pk")[LedgerEntry.objects.count() // 2].created_at
    for name, at in (("half of the ledger", halfway), ("all of it", now)):
        table.add(row_of(f"trial balance, {name}, seconds", repeat(partial(trial_balance, at=at)), TRIAL_SECONDS))
    _measure_liability(table, at=halfway, turns=turns)
    table.tell(
        roll_forward_of_a_month=f"{_seconds(lambda: roll_forward(start=month.start, finish=month.finish)):.1f} s"
    )
    lines = 0

    def read_journal() -> None:
        nonlocal lines
        lines = sum(1 for _ in journal_lines(month, postings=current_postings()))

    table.tell(journal_of_a_month=f"{_seconds(read_journal):.1f} s", its_lines=lines)
    cpu = _database_cpu()
    verdict = verify_chain()
    if verdict.fault:
        raise RuntimeError(f"the chain does not follow: {verdict.fault}")
    others = verdict.audit_entries + sum(verdict.other_entries.values())
    rate = float(verdict.entries_a_second)
    table.add(
        Row(
            name="entries of the chain verified a second",
            values=(rate,),
            against="the least",
            base=(CHAIN_RATE,),
            goal=1,
        )
    )
    table.tell(
        chain=f"{verdict.entries:,} entries and {others:,} of audit and card money",
        microseconds_of_cpu_for_an_entry=round(1e6 * (_database_cpu() - cpu) / (verdict.entries + others), 2),
        load=", ".join(f"{each:.1f}" for each in os.getloadavg()),
    )


def _measure_liability(table: Table, *, at: datetime, turns: int) -> None:
    """Measures the figures of the campaign of most codes; a snapshot of it is stored where there is none."""
    from promos.models import Campaign, UseSnapshot  # noqa: PLC0415
    from promos.use_cases.past.figures_at import Scope, figures_at, recount  # noqa: PLC0415
    from promos.use_cases.past.store_snapshots import STEP  # noqa: PLC0415

    campaign = Campaign.objects.get(name="General")
    scope = Scope("campaign", campaign.pk)
    stored = UseSnapshot.objects.filter(campaign=campaign).order_by("at").first()
    if stored is None:
        began = time.perf_counter()
        stored = UseSnapshot.objects.create(campaign=campaign, at=at, **asdict(recount(scope, at=at)))
        table.tell(recount_of_a_campaign=f"{time.perf_counter() - began:.1f} s")
    for name, distance in (("a quarter", STEP / 4), ("half", STEP / 2)):
        cpu = _database_cpu()
        taken = tuple(_seconds(partial(figures_at, scope, at=stored.at + distance)) for _ in range(turns))
        cpu = (_database_cpu() - cpu) / turns
        title = (
            f"liability of a campaign of {stored.redemptions:,} redemptions, {name} of the time between two snapshots"
        )
        table.add(row_of(f"{title} away, {cpu:.2f} s of CPU, seconds", taken, LIABILITY_SECONDS))


def _measure_exports(table: Table) -> None:
    from billing.models import LedgerEntry  # noqa: PLC0415
    from orders.use_cases.ledger.export_entries import HEADER, export_rows  # noqa: PLC0415
    from orders.use_cases.ledger.find_entries import EntrySearch  # noqa: PLC0415
    from orders.use_cases.ledger.spreadsheet import write_csv, write_xlsx  # noqa: PLC0415

    search = EntrySearch(entries=LedgerEntry.objects.all(), is_filtered=False)

    def export(name: str, write: Callable[[Iterable[tuple[object, ...]]], Iterable[object]]) -> None:
        rows, early, peak, began = 0, 0.0, 0.0, time.monotonic()

        def counted() -> Iterable[tuple[object, ...]]:
            nonlocal rows
            for row in islice(export_rows(search), EXPORTED_ROWS):
                rows += 1
                yield row

        for number, _ in enumerate(write(counted())):
            if number % 100 == 0:
                peak = max(peak, resident_mib())
                if rows <= EXPORTED_ROWS // 10:
                    early = peak
        seconds = time.monotonic() - began
        table.add(
            Row(
                name=f"memory after {rows:,} rows of {name}, {seconds:.0f} s, MiB",
                values=(peak,),
                against="after a tenth",
                base=(early,),
                goal=MEMORY_GROWTH,
                at_most=True,
            )
        )

    export("CSV", lambda rows: write_csv(HEADER, rows))  # type: ignore[arg-type]
    export("XLSX", lambda rows: write_xlsx(HEADER, rows, title="Ledger"))  # type: ignore[arg-type]


def _seconds(act: Callable[[], object]) -> float:
    began = time.perf_counter()
    act()
    return time.perf_counter() - began
