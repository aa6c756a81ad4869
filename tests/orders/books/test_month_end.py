"""Roll-forwards foot and add up, the journal balances, and a closed month stays as it was signed.

One random history of three months is compared with what this file computes by SQL of its own.
"""

import csv
import random
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import DjangoDbBlocker

from billing.models import Account, AuditEntry, LedgerEntry, Verification
from orders.errors import BooksDoNotFoot, MonthAlreadyClosed, MonthNotOver, MonthOutOfOrder
from orders.models import CardEntry, ClosedMonth, Order, PostingRule, VatRate
from orders.tasks import verify_books
from orders.use_cases.books import close_month as closing
from orders.use_cases.books.close_month import (
    close_month,
    compute_figures,
    next_month_to_close,
    verify_closed_months,
)
from orders.use_cases.books.journal import current_postings, journal_lines, journal_totals, postings_of, write_csv
from orders.use_cases.books.month import Month, read_month
from orders.use_cases.books.roll_forward import Book, roll_forward
from tests.factories import CustomerFactory, OrganizationFactory, actor
from tests.rules import corrupt

pytestmark = pytest.mark.django_db

START, DAYS = datetime(2026, 1, 1, tzinfo=UTC), 90
MONTHS = [Month(date(2026, number, 1)) for number in (1, 2, 3)]
LATER = datetime(2026, 8, 1, tzinfo=UTC)
VAT_FROM = date(2026, 1, 20)

_HOLD = """
INSERT INTO billing_hold (account_id, order_id, amount_minor, status, created_at) VALUES (%s, %s, %s, 'active', %s)
RETURNING id
"""


@pytest.fixture(scope="module", autouse=True)
def history(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    with django_db_blocker.unblock():
        _write_history(random.Random(14))
    yield
    with django_db_blocker.unblock(), connection.cursor() as cursor:
        cursor.execute("SELECT pristine.restore()")


def _write_history(draw: random.Random) -> None:
    VatRate.objects.create(starts_on=VAT_FROM, basis_points=500)
    customers = CustomerFactory.create_batch(3)
    orders = [_order(customer) for customer in customers]
    now = START
    while now < START + timedelta(days=DAYS):
        customer, order = draw.choice(list(zip(customers, orders, strict=True)))
        if draw.random() < 0.7:
            _move_credit(draw, customer.pk, now)
        else:
            _move_card(draw, order, now)
        now += timedelta(hours=draw.randint(1, 30), microseconds=draw.randint(0, 999_999))


def _order(customer: Any) -> Order:
    return Order.objects.create(
        customer=customer,
        organization=OrganizationFactory.create(customer=customer),
        plan_id="00000000-0000-0000-0000-000000000001",
        total_minor=1,
        currency="OMR",
        status="completed",
        completed_at=START,
        placed_by="x",
        placed_by_role="customer",
        channel="api",
    )


def _move_credit(draw: random.Random, account: int, now: datetime) -> None:
    available = Account.objects.get(pk=account).available_minor
    entry = {"account_id": account, "actor_id": "a", "actor_role": "b", "channel": "api", "created_at": now}
    order_id = f"{draw.getrandbits(128):032x}"
    act = draw.choice(["grant", "grant", "spend", "adjust", "reverse", "hold", "unused"])
    if act == "spend" and available:
        amount = -draw.randint(1, available)
        LedgerEntry.objects.create(**entry, kind="spend", amount_minor=amount, order_id=order_id, reason="o")
    elif act == "adjust":
        amount = draw.choice([-1, 1]) * draw.randint(1, max(1, available))
        if amount > -available:
            reason = draw.choice(["adjustment", "dispute:x"]) if amount < 0 else "adjustment"
            LedgerEntry.objects.create(**entry, kind="adjustment", amount_minor=amount, note="x", reason=reason)
    elif act == "reverse":
        last = LedgerEntry.objects.filter(account_id=account).order_by("-version").first()
        if last and last.kind != "reversal" and last.amount_minor <= available:
            LedgerEntry.objects.create(
                **entry, kind="reversal", amount_minor=-last.amount_minor, reverses=last, note="x", reason="r"
            )
    elif act == "hold" and available:
        with connection.cursor() as cursor:
            cursor.execute(_HOLD, [account, order_id, draw.randint(1, available), now])
            if draw.random() < 0.6:
                closed = [now + timedelta(days=draw.randint(0, 20)), cursor.fetchone()[0]]
                cursor.execute("UPDATE billing_hold SET status = 'released', closed_at = %s WHERE id = %s", closed)
    else:
        kind = draw.choice(["sold", "promotional", "compensation", ""])
        reason = f"proration:{order_id}" if act == "unused" else "grant"
        LedgerEntry.objects.create(
            **entry, kind="grant", amount_minor=draw.randint(1, 50_000), credit_class=kind, reason=reason
        )


def _move_card(draw: random.Random, order: Order, now: datetime) -> None:
    key, paid = f"cs_{draw.getrandbits(64):x}", draw.randint(10, 90_000)
    moves = [("payment", paid, key), ("fee", draw.choice([-1, -1, 1]) * draw.randint(1, 300), f"txn_{key}")]
    if draw.random() < 0.5:
        part = draw.randint(1, paid - 1)
        moves += [("refund", -part, key), ("refund", part - paid, key)]
    elif draw.random() < 0.5:
        moves += [
            ("dispute", -paid, f"du_{key}"),
            draw.choice([("dispute_won", paid, f"du_{key}"), ("owed", paid, f"du_{key}")]),
        ]
        if moves[-1][0] == "owed" and draw.random() < 0.5:
            moves.append(("written_off", -paid, f"du_{key}"))
    if draw.random() < 0.3:
        moves.append(("payout", -draw.randint(1, paid), f"txn_p{key}"))
        if draw.random() < 0.3:
            moves.append(("payout_returned", -moves[-1][1], f"txn_f{key}"))
    for kind, amount, object_id in moves:
        CardEntry.objects.create(
            kind=kind, amount_minor=amount, currency="OMR", order=order, stripe_object_id=object_id, created_at=now
        )
        now += timedelta(days=draw.randint(0, 25), seconds=1)


def _by_name(books: list[Book]) -> dict[str, Book]:
    return {book.name: book for book in books}


@given(cuts=st.lists(st.integers(0, DAYS * 86_400), min_size=3, max_size=3).map(sorted))
def test_roll_forwards_of_adjoining_periods_add_up_and_foot(cuts: list[int]) -> None:
    first, middle, last = (START + timedelta(seconds=each) for each in cuts)
    before, after, whole = (
        _by_name(roll_forward(start=start, finish=finish))
        for start, finish in ((first, middle), (middle, last), (first, last))
    )
    for name, book in whole.items():
        assert (book.foots, before[name].foots, after[name].foots) == (True, True, True), name
        assert after[name].opening_minor == before[name].closing_minor
        assert (book.opening_minor, book.closing_minor) == (before[name].opening_minor, after[name].closing_minor)
        for line, minor in book.lines.items():
            assert minor == before[name].lines[line] + after[name].lines[line], (name, line)


def _one(statement: str, *parameters: datetime) -> int:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return int(cursor.fetchone()[0] or 0)


@pytest.mark.parametrize("month", MONTHS, ids=lambda month: month.name)
def test_the_journal_agrees_with_the_books_and_with_plain_sql(month: Month) -> None:
    """Every account's total is what a query of this test's own says, to the last baisa."""
    period = (month.start, month.finish)
    books = _by_name(roll_forward(start=month.start, finish=month.finish))
    totals = journal_totals(month, postings=current_postings())
    net = {each.account: each.credit_minor - each.debit_minor for each in totals}
    within = "created_at >= %s AND created_at < %s"
    liability = _one(f"SELECT sum(amount_minor) FROM billing_ledgerentry WHERE {within}", *period)
    card = f"SELECT sum(amount_minor) FROM orders_cardentry WHERE {within} AND kind"
    clearing = _one(f"{card} NOT IN ('owed', 'written_off')", *period)
    owed = _one(f"{card} IN ('owed', 'written_off')", *period)
    assert net["2200"] == liability == books["credit"].closing_minor - books["credit"].opening_minor
    assert -net["1200"] == clearing == books["card"].closing_minor - books["card"].opening_minor
    assert -net.get("1220", 0) == owed
    sales = _one(
        f"SELECT sum(amount_minor) FROM orders_cardentry WHERE kind IN ('payment', 'refund') AND {within}", *period
    ) - _one(
        "SELECT sum(e.amount_minor) FROM billing_ledgerentry e"
        " LEFT JOIN billing_ledgerentry o ON o.id = e.reverses_id"
        " WHERE (coalesce(o.kind, e.kind) = 'spend' OR coalesce(o.reason, e.reason) LIKE 'proration:%%')"
        " AND e.created_at >= %s AND e.created_at < %s",
        *period,
    )
    assert net["4000"] + net.get("2300", 0) == sales
    assert sum(net.values()) == 0


@pytest.mark.parametrize("month", MONTHS, ids=lambda month: month.name)
def test_each_event_balances_and_the_same_month_gives_the_same_bytes(month: Month) -> None:
    texts = ["".join(write_csv(journal_lines(month, postings=current_postings()))) for _ in range(2)]
    assert texts[0] == texts[1]
    balance: dict[str, Decimal] = {}
    for row in csv.DictReader(StringIO(texts[0])):
        balance[row["entry"]] = balance.get(row["entry"], Decimal(0)) + Decimal(row["debit"]) - Decimal(row["credit"])
    assert balance
    assert set(balance.values()) == {Decimal(0)}
    assert len(balance) == len({line.entry_id for line in journal_lines(month, postings=current_postings())})


def test_refunds_in_parts_give_back_exactly_the_vat_of_their_payment() -> None:
    vat: dict[str, int] = {}
    objects = dict(CardEntry.objects.values_list("id", "stripe_object_id"))
    refunded = set(CardEntry.objects.filter(kind="refund").values_list("stripe_object_id", flat=True))
    for month in [*MONTHS, Month(date(2026, 4, 1)), Month(date(2026, 5, 1))]:
        for line in journal_lines(month, postings=current_postings()):
            if line.account == "2300" and line.event in ("card.payment", "card.refund"):
                key = objects[line.entry_id]
                vat[key] = vat.get(key, 0) + line.credit_minor - line.debit_minor
    assert refunded & vat.keys()
    assert {vat[key] for key in refunded & vat.keys()} == {0}
    paid = CardEntry.objects.exclude(stripe_object_id__in=refunded).filter(
        kind="payment", created_at__gte=MONTHS[1].start
    )
    for entry in paid:
        assert vat[entry.stripe_object_id] == (entry.amount_minor * 1_000 + 10_500) // 21_000


def test_a_closed_month_keeps_its_rules_and_its_bytes() -> None:
    close_month(month=MONTHS[0], why="month end", by=actor(), now=LATER)
    closed = ClosedMonth.objects.get()
    text = "".join(write_csv(journal_lines(MONTHS[0], postings=postings_of(MONTHS[0]))))
    assert closed.facts["journal"]["lines"] == text.count("\r\n") - 1
    totals = closed.facts["journal"]["totals"]["OMR"]
    assert totals["debit"] == totals["credit"] > 0
    assert AuditEntry.objects.get(action="month.closed").reason == "month end"
    PostingRule.objects.filter(event="card.payment").update(debit="9999")
    assert "".join(write_csv(journal_lines(MONTHS[0], postings=postings_of(MONTHS[0])))) == text
    assert next_month_to_close() == MONTHS[1]
    close_month(month=MONTHS[1], why="month end", by=actor(), now=LATER)
    assert verify_closed_months() == (2, "")
    call_command("month_end", verbosity=0)
    assert Verification.objects.get(books="months").fault == ""


def test_a_closed_month_has_what_its_journal_posts_to_each_account() -> None:
    close_month(month=MONTHS[0], why="x", by=actor(), now=LATER)
    totals = journal_totals(MONTHS[0], postings=postings_of(MONTHS[0]))
    assert ClosedMonth.objects.get().facts["accounts"] == [asdict(total) for total in totals] != []


def test_a_month_that_an_earlier_release_closed_is_sound(monkeypatch: pytest.MonkeyPatch) -> None:
    figures = compute_figures(MONTHS[0], postings=current_postings())
    figures.pop("accounts")
    with monkeypatch.context() as patched:
        patched.setattr(closing, "compute_figures", lambda *_, **__: figures)
        close_month(month=MONTHS[0], why="x", by=actor(), now=LATER)
    assert verify_closed_months() == (1, "")


def test_a_change_of_a_closed_month_is_found_every_night() -> None:
    close_month(month=MONTHS[0], why="month end", by=actor(), now=LATER)
    first = CardEntry.objects.filter(kind="payment").earliest("created_at")
    corrupt(f"UPDATE orders_cardentry SET amount_minor = amount_minor + 1 WHERE id = '{first.pk}'")
    verify_books(timestamp=0)
    fault = Verification.objects.get(books="months").fault
    assert fault == f"{MONTHS[0].name}: roll_forward, journal, accounts changed since it was closed"
    with pytest.raises(CommandError, match="changed since it was closed"):
        call_command("month_end")


@pytest.mark.parametrize("month", MONTHS[1:])
def test_an_open_month_follows_from_the_last_closed_one(month: Month) -> None:
    closed = close_month(month=MONTHS[0], why="month end", by=actor(), now=LATER)
    found = roll_forward(start=month.start, finish=month.finish, after=closed)
    assert found == roll_forward(start=month.start, finish=month.finish)
    assert all(book.foots for book in found)


def test_months_are_closed_in_turn_and_once() -> None:
    with pytest.raises(MonthNotOver):
        close_month(month=MONTHS[0], why="x", by=actor(), now=MONTHS[0].finish)
    close_month(month=MONTHS[0], why="x", by=actor(), now=LATER)
    with pytest.raises(MonthAlreadyClosed):
        close_month(month=MONTHS[0], why="x", by=actor(), now=LATER)
    with pytest.raises(MonthOutOfOrder, match="2026-02"):
        close_month(month=MONTHS[2], why="x", by=actor(), now=LATER)


@pytest.mark.parametrize(
    ("statement", "fault"),
    [
        (
            "UPDATE orders_cardentry SET amount_minor = amount_minor + 10 WHERE id = ("
            "SELECT id FROM orders_cardentry ORDER BY created_at LIMIT 1)",
            "roll_forward, journal, accounts changed",
        ),
        ("UPDATE orders_closedmonth SET statement = replace(statement, '\"opening\":0', '\"opening\":1')", "signed"),
    ],
    ids=["an entry", "the statement"],
)
def test_a_change_of_a_closed_month_is_found(statement: str, fault: str) -> None:
    close_month(month=MONTHS[0], why="x", by=actor(), now=LATER)
    corrupt(statement)
    with pytest.raises(CommandError, match=fault):
        call_command("month_end", verbosity=0)


def test_a_month_whose_books_do_not_foot_is_not_closed() -> None:
    corrupt(
        "UPDATE billing_account SET balance_minor = balance_minor + 1 WHERE customer_id = ("
        "SELECT min(customer_id) FROM billing_account)"
    )
    with pytest.raises(BooksDoNotFoot, match="credit in OMR"):
        close_month(month=read_month("2026-01"), why="x", by=actor(), now=LATER)
