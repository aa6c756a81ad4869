"""Reconciliation of Checkout Sessions and payments, after lost webhooks and lost answers."""

from uuid import UUID

import pytest
import stripe as stripe_library
from django.utils import timezone

from billing.models import Subscription
from orders.errors import PaymentProcessorError
from orders.models import Break, Order, Payment
from orders.stripe import gateway
from orders.use_cases.payments.settle_payment import settle_unpaid
from orders.use_cases.reconciliation import reconciliation_run
from orders.use_cases.reconciliation.close_break import close_break
from tests.factories import actor
from tests.payments.buyer import CHARGED_MINOR, TOTAL_MINOR, Buyer, new_buyer, order_status, session_id_of
from tests.payments.consistency_at_rest import assert_books_agree
from tests.payments.reconciliation.reconciliation_checks import (
    BreakKey,
    assert_found,
    assert_left_open,
    assert_repaired,
    break_keys,
    break_list_page,
    open_break_keys,
    reconcile,
)
from tests.payments.stripe_server import SECRET_KEY, Object, Stripe
from tests.payments.webhook_delivery import post_event
from tests.payments.worker import run_until_idle, run_waiting_jobs, sweep
from tests.rules import triggers_off
from tests.snapshot import nothing_changes

pytestmark = pytest.mark.django_db(transaction=True)

Kind = Break.Kind


def session_differs(order_id: UUID) -> BreakKey:
    return Kind.SESSION_STATE_DIFFERS.value, session_id_of(order_id), order_id


def create_session(stripe: Stripe, **more: object) -> Object:
    """Create a one-off session at Stripe, of 19.000 OMR by default, without the service."""
    client = stripe_library.StripeClient(SECRET_KEY, base_addresses={"api": stripe.url})
    amount = more.pop("amount", TOTAL_MINOR)
    line = {
        "quantity": 1,
        "price_data": {"currency": "omr", "unit_amount": amount, "product_data": {"name": "Something"}},
    }
    parameters = {"mode": "payment", "line_items": [line], "success_url": "https://shop.example/", **more}
    return client.v1.checkout.sessions.create(parameters).to_dict()  # type: ignore[arg-type]


def naming_order(order_id: object) -> dict[str, object]:
    return {"client_reference_id": str(order_id), "metadata": {"order_id": str(order_id)}}


# --- Lost events --------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("actions", "expected"),
    [
        (["pay"], Order.Status.COMPLETED),
        (["expire"], Order.Status.EXPIRED),
        (["pay_async", "settle_async"], Order.Status.COMPLETED),
        (["pay_async", "fail_async"], Order.Status.FAILED),
    ],
    ids=lambda each: "-".join(each) if isinstance(each, list) else "",
)
def test_a_session_whose_events_were_lost_is_settled(stripe: Stripe, actions: list[str], expected: str) -> None:
    order_id = new_buyer().check_out().order_id
    for action in actions:
        stripe.do(f"sessions/{session_id_of(order_id)}/{action}")

    assert_found(session_differs(order_id))
    assert order_status(order_id) == Order.Status.PENDING
    assert_repaired(stripe, session_differs(order_id))
    assert order_status(order_id) == expected


@pytest.mark.parametrize("action", ["settle_async", "fail_async"])
def test_a_bank_debit_whose_last_event_was_lost_is_settled(stripe: Stripe, action: str) -> None:
    order_id = new_buyer().check_out().order_id
    stripe.do(f"sessions/{session_id_of(order_id)}/pay_async")
    run_until_idle(stripe)
    with nothing_changes():
        assert reconcile(repair=True).findings == []
    stripe.do(f"sessions/{session_id_of(order_id)}/{action}")

    assert_found(session_differs(order_id))
    assert_repaired(stripe, session_differs(order_id))


def test_consistent_payments_have_no_break(stripe: Stripe) -> None:
    buyer = new_buyer(cap=3)
    buyer.check_out()
    other = new_buyer()
    stripe.pay(session_id_of(other.check_out().order_id))
    stripe.do(f"sessions/{session_id_of(new_buyer().check_out().order_id)}/expire")
    run_until_idle(stripe)
    with nothing_changes():
        assert reconcile(repair=True).findings == []


def test_changes_whose_webhooks_may_still_come_are_left_alone(stripe: Stripe) -> None:
    """Paid, expired, and refunded just now."""
    buyer = new_buyer()
    paid_id = buyer.check_out().order_id
    stripe.pay(session_id_of(paid_id))
    run_until_idle(stripe)
    stripe.do(f"payments/{session_id_of(paid_id)}/refund", amount=1_000)
    for action in ("pay", "expire", "pay_async"):
        stripe.do(f"sessions/{session_id_of(new_buyer().check_out().order_id)}/{action}")
    with nothing_changes():
        assert reconcile(repair=True, now=timezone.now()).findings == []
    run_until_idle(stripe)
    with nothing_changes():
        assert reconcile(repair=True).findings == []


def test_a_break_that_a_webhook_settles_is_closed_by_the_next_run(stripe: Stripe) -> None:
    order_id = new_buyer().check_out().order_id
    stripe.pay(session_id_of(order_id))
    assert_found(session_differs(order_id))
    run_until_idle(stripe)

    assert reconcile().findings == []

    assert open_break_keys() == []
    assert Break.objects.get().closed_by == "reconcile_stripe"


# --- Sessions without a customer who can pay them -----------------------------------------------------------
def check_out_with_lost_answer(stripe: Stripe) -> Buyer:
    """Check out while Stripe makes the session and its answer is lost; the sweeper has not run."""
    buyer = new_buyer()
    stripe.fault(path="/v1/checkout/sessions", method="POST", effect="drop", when="after", count=None)
    with pytest.raises(PaymentProcessorError):
        buyer.check_out()
    stripe.heal()
    return buyer


@pytest.mark.parametrize("state", ["undone", "process died"])
def test_a_session_whose_answer_was_lost_is_closed(stripe: Stripe, state: str) -> None:
    check_out_with_lost_answer(stripe)
    order = Order.objects.get()
    if state == "process died":
        # As a process leaves the order that is killed while it waits for Stripe.
        with triggers_off():
            Order.objects.filter(id=order.id).update(status=Order.Status.PENDING)
            Payment.objects.update(status=Payment.Status.REQUESTED, needs_stripe_cleanup=False, closed_at=None)
    [session] = stripe.sessions()
    with nothing_changes():
        assert reconcile(repair=True, now=timezone.now()).findings == []
    expected = (Kind.STRAY_SESSION.value, session["id"], order.id)

    assert_found(expected)
    run = reconcile(repair=True)

    assert (break_keys(run.findings), run.open, open_break_keys()) == ([expected], [], [])
    assert order_status(order.id) == Order.Status.FAILED
    sweep()
    assert_books_agree(stripe)
    assert reconcile().findings == []


def test_a_session_that_outlived_its_order_is_closed(stripe: Stripe) -> None:
    order_id = new_buyer().check_out().order_id
    settle_unpaid(order_id=order_id, failed=False)
    expected = (Kind.STRAY_SESSION.value, session_id_of(order_id), order_id)

    assert_found(expected)
    assert_repaired(stripe, expected)
    assert [each["status"] for each in stripe.sessions()] == ["expired"]


def test_a_session_of_an_unknown_order_is_closed_only_for_a_known_customer(stripe: Stripe) -> None:
    new_buyer().check_out()
    unknown_order_id = UUID(int=7)
    of_customer = create_session(stripe, customer=stripe.sessions()[0]["customer"], **naming_order(unknown_order_id))
    of_stranger = create_session(stripe, **naming_order(UUID(int=8)))
    create_session(stripe)  # Names no order: it belongs to other business of the account.
    expected = [(Kind.STRAY_SESSION.value, each["id"], None) for each in (of_stranger, of_customer)]

    assert_found(*expected)
    run = reconcile(repair=True)

    assert break_keys(run.findings) == expected
    assert break_keys(run.open) == expected[:1]
    assert {each["id"]: each["status"] for each in stripe.sessions()}[of_customer["id"]] == "expired"
    assert_left_open(expected[0])


# --- Wrong payments -----------------------------------------------------------------------------------------
def test_a_second_payment_of_an_order_is_left_to_staff(stripe: Stripe) -> None:
    order_id = new_buyer(credit_minor=0, voucher_minor=0).check_out().order_id
    first = session_id_of(order_id)
    client = stripe_library.StripeClient(SECRET_KEY, base_addresses={"api": stripe.url})
    second = create_session(stripe, customer=client.v1.customers.create({}).id, **naming_order(order_id))
    stripe.pay(first)
    stripe.pay(second["id"])
    [paid_event] = [each for each in stripe.events() if each["data"]["object"]["id"] == first][-1:]
    post_event(paid_event)
    while run_waiting_jobs():
        pass
    expected = (Kind.PAID_TWICE.value, second["id"], order_id)

    assert_found(expected)
    assert_left_open(expected)

    stripe.do(f"payments/{second['id']}/refund")

    assert reconcile().findings == []
    assert open_break_keys() == []


def test_a_payment_of_another_amount_is_never_recorded(stripe: Stripe) -> None:
    buyer = check_out_with_lost_answer(stripe)
    order = Order.objects.get()
    sweep()
    session = create_session(stripe, amount=CHARGED_MINOR + 10, **naming_order(order.id))
    stripe.pay(session["id"])
    expected = (Kind.AMOUNT_DIFFERS.value, session["id"], order.id)

    assert_found(expected)
    assert_left_open(expected)
    assert order_status(order.id) == Order.Status.FAILED
    assert buyer.account.held_minor == 0
    close_break(break_id=Break.objects.get().id, why="refunded at Stripe", by=actor())
    assert reconcile(repair=True).findings == []


def test_a_repairable_break_is_opened_again_after_staff_closed_it(stripe: Stripe) -> None:
    order_id = new_buyer().check_out().order_id
    stripe.pay(session_id_of(order_id))
    reconcile()
    close_break(break_id=Break.objects.get().id, why="checked", by=actor())
    assert_found(session_differs(order_id))


def test_a_session_paid_after_its_order_failed_is_settled(stripe: Stripe) -> None:
    check_out_with_lost_answer(stripe)
    [session] = stripe.sessions()
    Payment.objects.update(needs_stripe_cleanup=False)
    stripe.pay(session["id"])
    order = Order.objects.get()
    expected = (Kind.SESSION_STATE_DIFFERS.value, session["id"], order.id)

    assert_found(expected)
    run = reconcile(repair=True)

    assert (break_keys(run.findings), run.open) == ([expected], [])
    run_until_idle(stripe)
    assert reconcile().findings == []


# --- Another account, and objects that cannot be compared ---------------------------------------------------
def test_objects_that_stripe_does_not_know_are_left_to_staff(stripe: Stripe) -> None:
    order_id = new_buyer().check_out().order_id
    stripe.pay(session_id_of(order_id))
    run_until_idle(stripe)
    subscription = Subscription.objects.get()
    stripe.reset()
    expected = [
        session_differs(order_id),
        (Kind.SUBSCRIPTION_STATE_DIFFERS.value, subscription.stripe_subscription_id, order_id),
    ]

    assert_found(*expected)
    assert_left_open(*expected)


def test_keys_of_another_account_open_one_break_and_not_one_for_each_order(
    stripe: Stripe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reconciliation_run, "OTHER_ACCOUNT_AT", 2)
    for _ in range(3):
        stripe.pay(session_id_of(new_buyer().check_out().order_id))
    run_until_idle(stripe)
    stripe.reset()
    expected = (Kind.OTHER_ACCOUNT.value, "account", None)

    assert break_keys(reconcile(repair=True).open) == [expected, expected]
    assert open_break_keys() == [expected]
    with nothing_changes():
        assert break_keys(reconcile(repair=True).open) == [expected, expected]
    assert Kind.OTHER_ACCOUNT.label in break_list_page()

    new_buyer().check_out()
    assert Kind.OTHER_ACCOUNT not in {each.kind for each in reconcile(parts=("sessions",)).findings}


def test_a_session_that_cannot_be_compared_does_not_block_the_others(
    stripe: Stripe, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gateway, "PAGE_SIZE", 1)
    orders = [new_buyer().check_out().order_id for _ in range(3)]
    for order_id in orders:
        stripe.do(f"sessions/{session_id_of(order_id)}/pay_async")
    run_until_idle(stripe)
    for order_id in orders:
        stripe.do(f"sessions/{session_id_of(order_id)}/fail_async")
    stripe.fault(path="/v1/invoice_payments", effect="answer", status=404, skip=2)

    run = reconcile(unread=["sessions"])

    assert sorted(break_keys(run.findings)) == sorted([session_differs(orders[0]), session_differs(orders[2])])
    assert session_id_of(orders[1]) in run.unread["sessions"]
    assert f"could not compare {session_id_of(orders[1])}" in caplog.text
