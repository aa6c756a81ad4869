"""The command `reconcile_stripe`, as an operator schedules it."""

import io
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from billing.use_cases.processor_settings import change_processor_keys
from orders.models import Break, Order
from orders.stripe import gateway
from orders.use_cases.reconciliation.reconcile_stripe import LOCAL_PARTS, PARTS
from orders.use_cases.reconciliation.record_break import record_break
from tests.factories import actor
from tests.payments.buyer import new_buyer, order_status, session_id_of
from tests.payments.reconciliation.reconciliation_checks import reconcile
from tests.payments.stripe_server import SECRET_KEY, Stripe
from tests.payments.worker import run_until_idle
from tests.snapshot import nothing_changes

pytestmark = pytest.mark.django_db(transaction=True)


def run_command(*arguments: str) -> tuple[int, str, str]:
    """Run the command and return its exit code, its output and its error output."""
    out, err = io.StringIO(), io.StringIO()
    try:
        call_command("reconcile_stripe", *arguments, stdout=out, stderr=err)
    except CommandError as error:
        return error.returncode, out.getvalue(), f"{err.getvalue()}{error}"
    return 0, out.getvalue(), err.getvalue()


@pytest.mark.usefixtures("no_patience")
def test_the_command_lists_breaks_repairs_them_and_reports_success(stripe: Stripe) -> None:
    order_id = new_buyer().check_out().order_id
    session_id = session_id_of(order_id)
    stripe.do(f"sessions/{session_id}/expire")
    line = f"session_state_differs {session_id} order {order_id} {{'stripe': 'expired unpaid', 'ours': 'open'}}\n"

    assert run_command() == (1, f"open: {line}", "1 breaks are open")
    assert order_status(order_id) == Order.Status.PENDING
    assert run_command("--repair") == (0, f"repaired: {line}sound: 1 breaks found, none left\n", "")
    assert order_status(order_id) == Order.Status.EXPIRED
    assert run_command() == (0, "sound: 0 breaks found, none left\n", "")


def test_the_command_fails_while_a_break_that_it_did_not_find_is_open(stripe: Stripe) -> None:
    found = record_break(kind=Break.Kind.DISPUTE, object_id="dp_1", details={"amount": 9_000})
    line = "open before: dispute dp_1 {'amount': 9000}\n"
    assert run_command() == (1, line, "1 breaks are open")
    found.closed_at = timezone.now()
    found.save()
    assert run_command() == (0, "sound: 0 breaks found, none left\n", "")


@pytest.mark.usefixtures("no_patience")
def test_the_command_ignores_payments_older_than_its_days(stripe: Stripe) -> None:
    order_id = new_buyer().check_out().order_id
    stripe.pay(session_id_of(order_id))
    run_until_idle(stripe)
    stripe.do(f"payments/{session_id_of(order_id)}/refund", amount=1_000)
    assert reconcile(now=timezone.now() + timedelta(days=3), since=timedelta(days=2)).findings == []
    assert run_command("--days", "2")[0] == 1


@pytest.mark.parametrize("wrong", ["0", "-1", "x", "1.5"])
@pytest.mark.parametrize("option", ["--days", "--minutes"])
def test_days_and_minutes_must_be_positive_whole_numbers(option: str, wrong: str) -> None:
    with pytest.raises(CommandError, match="invalid positive value"):
        call_command("reconcile_stripe", option, wrong)


def test_without_a_key_the_command_compares_only_the_ledger(settings: Any) -> None:
    settings.INITIAL_STRIPE_SECRET_KEY = ""
    code, out, err = run_command()
    assert (code, out) == (2, "")
    assert "not compared: sessions: no Stripe key is configured" in err
    assert "ledger" not in err


def test_the_command_reports_keys_that_it_cannot_decrypt(settings: Any) -> None:
    change_processor_keys(by=actor(), stripe_secret_key=SECRET_KEY)
    settings.SECRET_KEY = "another one, and the old one is lost" * 2
    code, _, err = run_command()
    assert code == 2
    assert "cannot be decrypted" in err


@pytest.mark.parametrize("failure", [{"effect": "drop"}, {"effect": "answer", "status": 503}])
def test_the_command_reports_that_stripe_is_down_and_changes_nothing(stripe: Stripe, failure: dict[str, Any]) -> None:
    order_id = new_buyer().check_out().order_id
    stripe.pay(session_id_of(order_id))
    stripe.fault(path="/v1/*", method="GET", count=None, **failure)
    with nothing_changes():
        code, out, err = run_command("--repair")
    assert (code, out) == (2, "")
    assert err.endswith("7 parts could not be compared, 0 breaks are open")


@pytest.mark.usefixtures("no_patience")
def test_a_part_that_stripe_does_not_answer_does_not_block_the_others(stripe: Stripe) -> None:
    order_id = new_buyer().check_out().order_id
    stripe.pay(session_id_of(order_id))
    stripe.fault(path="/v1/subscriptions", method="GET", effect="drop", count=None)

    code, out, err = run_command("--repair")

    assert code == 2
    assert out.startswith(f"repaired: session_state_differs {session_id_of(order_id)}")
    assert err.startswith("not compared: subscriptions: Stripe did not answer: APIConnectionError")
    assert order_status(order_id) == Order.Status.COMPLETED


@pytest.mark.usefixtures("no_patience")
def test_a_failed_repair_leaves_its_break_open_and_the_others_are_repaired(
    stripe: Stripe, caplog: pytest.LogCaptureFixture
) -> None:
    orders = [new_buyer().check_out().order_id for _ in range(2)]
    for order_id in orders:
        stripe.do(f"sessions/{session_id_of(order_id)}/pay_async")
        stripe.do(f"sessions/{session_id_of(order_id)}/fail_async")
    Order.objects.filter(id=orders[1]).update(credit_applied_minor=0)
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'a failing repair'; END $$;"
            "CREATE TRIGGER refuse BEFORE UPDATE ON orders_payment FOR EACH ROW"
            f" WHEN (OLD.order_id = '{orders[1]}') EXECUTE FUNCTION refuse()"
        )
    try:
        code, out, _ = run_command("--repair")
    finally:
        with connection.cursor() as cursor:
            cursor.execute("DROP TRIGGER refuse ON orders_payment; DROP FUNCTION refuse()")

    assert code == 1
    assert f"open: session_state_differs {session_id_of(orders[1])}" in out
    assert f"repaired: session_state_differs {session_id_of(orders[0])}" in out
    assert "a repair failed" in caplog.text
    assert (order_status(orders[0]), order_status(orders[1])) == (Order.Status.FAILED, Order.Status.PENDING)


def test_the_command_stops_when_its_time_is_over(stripe: Stripe) -> None:
    new_buyer().check_out()
    run = reconcile(within=timedelta(0), unread=[part for part in PARTS if part not in LOCAL_PARTS])
    assert set(run.unread.values()) == {"the time limit was reached"}


def test_reconciliation_reads_every_page_of_a_list(stripe: Stripe, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gateway, "PAGE_SIZE", 2)
    orders = [new_buyer().check_out().order_id for _ in range(5)]
    for order_id in orders:
        stripe.pay(session_id_of(order_id))
    before = len(stripe.requests(method="GET", path="/v1/checkout/sessions"))

    run = reconcile(repair=True)

    assert {each.order_id for each in run.findings if each.repaired} == set(orders)
    assert len(stripe.requests(method="GET", path="/v1/checkout/sessions")) - before == 3


def test_a_run_without_breaks_sends_the_same_number_of_queries_for_one_order_and_for_many(stripe: Stripe) -> None:
    counts = []
    for number in (1, 4):
        for _ in range(number):
            stripe.pay(session_id_of(new_buyer().check_out().order_id))
        run_until_idle(stripe)
        with CaptureQueriesContext(connection) as queries:
            assert reconcile().findings == []
        counts.append(len(queries))
    assert counts[0] == counts[1]
