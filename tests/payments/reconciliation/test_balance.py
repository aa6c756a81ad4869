"""Fees and payouts become card entries by events, on the first day and by repairs, and differences are breaks."""

from datetime import timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.db import IntegrityError, connection, transaction
from django.db.models import Sum
from django.utils import timezone
from procrastinate.contrib.django.models import ProcrastinateJob

from orders.models import Break, CardEntry
from orders.stripe import gateway
from orders.tasks import mirror_balance, mirror_balance_regularly
from orders.use_cases.balance.book_movements import book_movements
from orders.use_cases.balance.mirror_balance import mirror_balance as mirror
from orders.use_cases.books.month import month_of
from orders.use_cases.books.roll_forward import roll_forward
from tests.payments.buyer import CHARGED_MINOR, buy, session_id_of
from tests.payments.reconciliation.reconciliation_checks import break_keys, open_break_keys, reconcile
from tests.payments.stripe_server import Stripe
from tests.payments.webhook_delivery import deliver_events
from tests.payments.worker import run_until_idle
from tests.rules import triggers_off

pytestmark = pytest.mark.django_db(transaction=True)

FEE_MINOR, DISPUTE_FEE_MINOR = 300, 5_770
Kind = Break.Kind


@pytest.fixture
def charging(stripe: Stripe) -> Stripe:
    stripe.do("fees", fixed=FEE_MINOR, dispute=DISPUTE_FEE_MINOR)
    return stripe


def copied() -> list[tuple[str, int, Any]]:
    entries = CardEntry.objects.filter(kind__in=CardEntry.FROM_BALANCE).order_by("created_at", "id")
    return list(entries.values_list("kind", "amount_minor", "order_id"))


def test_fees_and_payouts_are_entries_once_and_the_clearing_account_is_stripes_balance(charging: Stripe) -> None:
    _, order_id = buy(charging)
    deliver_events(charging, "charge.succeeded")
    run_until_idle(charging)
    assert ProcrastinateJob.objects.filter(status="todo", task_name="mirror_balance").count() == 1
    mirror_balance()
    assert copied() == [("fee", -FEE_MINOR, order_id)]

    payout = charging.do("payouts", currency="omr")
    charging.do(f"payments/{session_id_of(order_id)}/dispute")
    deliver_events(charging, "payout.paid")
    run_until_idle(charging)
    mirror_balance()
    mirror_balance()
    paid_out = CHARGED_MINOR - FEE_MINOR
    assert sorted(copied(), key=lambda each: each[1]) == [
        ("payout", -paid_out, None),
        ("fee", -DISPUTE_FEE_MINOR, order_id),
        ("fee", -FEE_MINOR, order_id),
    ]
    charging.do(f"payouts/{payout['id']}/fail")
    assert mirror() == 1
    assert open_break_keys()[-1] == (Kind.PAYOUT_RETURNED.value, payout["id"], None)

    (balance,) = charging.get("balance")["available"]
    clearing = CardEntry.objects.filter(kind__in=CardEntry.CLEARING).aggregate(sum=Sum("amount_minor"))["sum"]
    month = month_of(timezone.now())
    (book,) = [each for each in roll_forward(start=month.start, finish=month.finish) if each.name == "card"]
    assert clearing == book.closing_minor == balance["amount"] == -FEE_MINOR - DISPUTE_FEE_MINOR
    assert book.lines["payout"] == -book.lines["payout_returned"] == -paid_out
    assert [each.kind for each in reconcile(parts=("balance",)).findings] == []


def test_an_event_reads_minutes_and_the_regular_run_a_week(charging: Stripe, monkeypatch: pytest.MonkeyPatch) -> None:
    buy(charging)
    assert mirror() == 1
    read, booked = [], []
    list_pages = gateway.list_pages

    def list_and_note(*args: Any, **options: Any) -> Any:
        read.append(round((timezone.now().timestamp() - options["created"]["gte"]) / 60))
        return list_pages(*args, **options)

    def book_and_note(movements: Any) -> int:
        booked.append(len(movements))
        return book_movements(movements)

    monkeypatch.setattr(gateway, "list_pages", list_and_note)
    monkeypatch.setattr("orders.use_cases.balance.mirror_balance.book_movements", book_and_note)
    mirror_balance()
    mirror_balance_regularly(0)
    assert read[:2] == [20, 7 * 24 * 60]
    # What is booked is not kept.
    assert set(booked) == {0}


def test_the_fee_of_a_month_that_stripe_charges_names_the_order_of_its_subscription(charging: Stripe) -> None:
    _, order_id = buy(charging)
    run_until_idle(charging)
    charging.do("clock", everything=True, months=1)
    run_until_idle(charging)
    [_, month] = CardEntry.objects.filter(kind="payment").order_by("id")
    assert month.order_id == order_id
    charging.do("clock", everything=True, months=1)
    # The fee is booked also while the month's own events are on their way.
    later = timezone.now() + timedelta(days=70)
    assert mirror(now=later) == 3
    assert copied() == [("fee", -FEE_MINOR, order_id)] * 3
    assert mirror(now=later) == 0
    assert reconcile(parts=("balance",)).findings == []


def test_a_missing_fee_or_payout_is_a_break_until_it_is_booked(charging: Stripe) -> None:
    buy(charging)
    charging.do("payouts", currency="omr")
    found = reconcile(parts=("balance",)).findings
    assert [each.kind for each in found] == [Kind.PAYOUT_MISSING, Kind.FEE_MISSING]
    assert break_keys(reconcile(parts=("balance",), repair=True).open) == []
    assert open_break_keys() == []
    assert len(copied()) == 2
    with triggers_off(), connection.cursor() as cursor:
        cursor.execute("UPDATE orders_cardentry SET amount_minor = amount_minor - 1 WHERE kind = 'payout'")
        cursor.execute("UPDATE orders_cardentry SET stripe_object_id = 'txn_1' WHERE kind = 'fee'")
        cursor.execute("UPDATE orders_cardentry SET kind = 'payout' WHERE stripe_object_id = 'txn_1'")
    found = reconcile(parts=("balance",), repair=True).findings
    assert [(each.kind, each.repaired) for each in found] == [
        (Kind.BALANCE_DIFFERS, False),
        (Kind.FEE_MISSING, True),
        (Kind.BALANCE_DIFFERS, False),
    ]
    assert found[-1].details == {"stripe": "unknown", "ours": {"payout": -FEE_MINOR}}


def test_a_payout_of_another_account_and_a_fee_booked_twice_are_breaks(charging: Stripe) -> None:
    _, order_id = buy(charging)
    charging.do("payouts", currency="omr")
    mirror()
    assert reconcile(parts=("balance",)).findings == []
    [fee] = CardEntry.objects.filter(kind="fee")
    # The same movement is never booked twice. A second one names another movement, which Stripe does not have.
    with pytest.raises(IntegrityError), transaction.atomic():
        CardEntry.objects.create(
            kind="fee", amount_minor=fee.amount_minor, currency="OMR", stripe_object_id=fee.stripe_object_id
        )
    CardEntry.objects.create(
        kind="fee", amount_minor=-FEE_MINOR, currency="OMR", order_id=order_id, stripe_object_id="txn_again"
    )
    CardEntry.objects.create(
        kind="payout", amount_minor=-5_000, currency="OMR", stripe_object_id="txn_of_another_account"
    )
    found = sorted(reconcile(parts=("balance",), repair=True).findings, key=lambda each: each.object_id)
    assert [(each.kind, each.object_id, each.details, each.repaired) for each in found] == [
        (Kind.BALANCE_DIFFERS, "txn_again", {"stripe": "unknown", "ours": {"fee": -FEE_MINOR}}, False),
        (Kind.BALANCE_DIFFERS, "txn_of_another_account", {"stripe": "unknown", "ours": {"payout": -5_000}}, False),
    ]
    assert sorted(open_break_keys()) == [
        (Kind.BALANCE_DIFFERS.value, "txn_again", None),
        (Kind.BALANCE_DIFFERS.value, "txn_of_another_account", None),
    ]


def test_the_command_books_what_moved_before(charging: Stripe, capsys: pytest.CaptureFixture[str]) -> None:
    buy(charging)
    call_command("mirror_balance", since=timezone.now().date())
    call_command("mirror_balance")
    assert capsys.readouterr().out == "1 entries booked\n0 entries booked\n"
