"""Reconciliation of Checkout Sessions and payments, after webhooks that never came and answers that were lost."""

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
    open_breaks,
    reconcile,
)
from tests.payments.stripe_server import SECRET_KEY, Object, Stripe
from tests.payments.webhook_delivery import post_event
from tests.payments.worker import run_until_idle, run_waiting_jobs, sweep
from tests.snapshot import nothing_changes

pytestmark = pytest.mark.django_db(transaction=True)

Kind = Break.Kind


def differs(order_id: UUID) -> BreakKey:
    return Kind.SESSION_STATE_DIFFERS.value, session_id_of(order_id), order_id


def ask(stripe: Stripe, **more: object) -> Object:
    """A one-off session that somebody asks Stripe for, of 19.000 OMR unless said otherwise."""
    client = stripe_library.StripeClient(SECRET_KEY, base_addresses={"api": stripe.url})
    amount = more.pop("amount", TOTAL_MINOR)
    line = {
        "quantity": 1,
        "price_data": {"currency": "omr", "unit_amount": amount, "product_data": {"name": "Something"}},
    }
    asked = {"mode": "payment", "line_items": [line], "success_url": "https://shop.example/", **more}
    return client.v1.checkout.sessions.create(asked).to_dict()  # type: ignore[arg-type]


def marked(order_id: object) -> dict[str, object]:
    return {"client_reference_id": str(order_id), "metadata": {"order_id": str(order_id)}}


# --- Events that never came ---------------------------------------------------------------------------------
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
def test_a_session_that_ended_unheard_is_settled(stripe: Stripe, actions: list[str], expected: str) -> None:
    order_id = new_buyer().check_out().order_id
    for action in actions:
        stripe.do(f"sessions/{session_id_of(order_id)}/{action}")

    assert_found(differs(order_id))
    assert order_status(order_id) == Order.Status.PENDING
    assert_repaired(stripe, differs(order_id))
    assert order_status(order_id) == expected


@pytest.mark.parametrize("action", ["settle_async", "fail_async"])
def test_a_debit_that_ended_unheard_is_settled(stripe: Stripe, action: str) -> None:
    order_id = new_buyer().check_out().order_id
    stripe.do(f"sessions/{session_id_of(order_id)}/pay_async")
    run_until_idle(stripe)
    with nothing_changes():
        assert reconcile(repair=True).findings == []
    stripe.do(f"sessions/{session_id_of(order_id)}/{action}")

    assert_found(differs(order_id))
    assert_repaired(stripe, differs(order_id))


def test_what_is_in_order_is_no_break(stripe: Stripe) -> None:
    buyer = new_buyer(cap=3)
    buyer.check_out()
    other = new_buyer()
    stripe.pay(session_id_of(other.check_out().order_id))
    stripe.do(f"sessions/{session_id_of(new_buyer().check_out().order_id)}/expire")
    run_until_idle(stripe)
    with nothing_changes():
        assert reconcile(repair=True).findings == []


def test_what_is_on_its_way_is_left_alone(stripe: Stripe) -> None:
    """Paid, expired, and refunded just now: Stripe's webhooks may still be coming."""
    done = new_buyer()
    paid_id = done.check_out().order_id
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


def test_a_break_that_settles_by_itself_is_closed_by_the_next_run(stripe: Stripe) -> None:
    order_id = new_buyer().check_out().order_id
    stripe.pay(session_id_of(order_id))
    assert_found(differs(order_id))
    run_until_idle(stripe)

    assert reconcile().findings == []

    assert open_breaks() == []
    assert Break.objects.get().closed_by == "reconcile_stripe"


# --- Sessions that nobody waits for -------------------------------------------------------------------------
def lost_answer(stripe: Stripe) -> Buyer:
    """Stripe made the session and the answer was lost; the sweeper has not come by."""
    buyer = new_buyer()
    stripe.fault(path="/v1/checkout/sessions", method="POST", effect="drop", when="after", count=None)
    with pytest.raises(PaymentProcessorError):
        buyer.check_out()
    stripe.heal()
    return buyer


@pytest.mark.parametrize("state", ["undone", "died"])
def test_a_session_whose_answer_was_lost_is_closed(stripe: Stripe, state: str) -> None:
    lost_answer(stripe)
    order = Order.objects.get()
    if state == "died":
        # As a process leaves it that was killed while it waited for Stripe.
        Order.objects.filter(id=order.id).update(status=Order.Status.PENDING)
        Payment.objects.update(status=Payment.Status.REQUESTED, needs_stripe_cleanup=False, closed_at=None)
    [session] = stripe.sessions()
    with nothing_changes():
        assert reconcile(repair=True, now=timezone.now()).findings == []
    expected = (Kind.STRAY_SESSION.value, session["id"], order.id)

    assert_found(expected)
    done = reconcile(repair=True)

    assert (break_keys(done.findings), done.open, open_breaks()) == ([expected], [], [])
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


def test_a_session_of_an_order_that_is_not_here_is_closed_for_our_customers_only(stripe: Stripe) -> None:
    customer = new_buyer()
    customer.check_out()
    nowhere = UUID(int=7)
    ours = ask(stripe, customer=stripe.sessions()[0]["customer"], **marked(nowhere))
    others = ask(stripe, **marked(UUID(int=8)))
    ask(stripe)  # Carries no order: another business of the same account.
    expected = [(Kind.STRAY_SESSION.value, each["id"], None) for each in (others, ours)]

    assert_found(*expected)
    done = reconcile(repair=True)

    assert break_keys(done.findings) == expected
    assert break_keys(done.open) == expected[:1]
    assert {each["id"]: each["status"] for each in stripe.sessions()}[ours["id"]] == "expired"
    assert_left_open(expected[0])


# --- Paid twice, and otherwise ------------------------------------------------------------------------------
def test_an_order_that_was_paid_twice(stripe: Stripe) -> None:
    order_id = new_buyer(credit_minor=0, voucher_minor=0).check_out().order_id
    first = session_id_of(order_id)
    client = stripe_library.StripeClient(SECRET_KEY, base_addresses={"api": stripe.url})
    second = ask(stripe, customer=client.v1.customers.create({}).id, **marked(order_id))
    stripe.pay(first)
    stripe.pay(second["id"])
    [count_announcements] = [each for each in stripe.events() if each["data"]["object"]["id"] == first][-1:]
    post_event(count_announcements)
    while run_waiting_jobs():
        pass
    expected = (Kind.PAID_TWICE.value, second["id"], order_id)

    assert_found(expected)
    assert_left_open(expected)

    stripe.do(f"payments/{second['id']}/refund")

    assert reconcile().findings == []
    assert open_breaks() == []


def test_another_amount_than_was_asked_for_is_never_booked(stripe: Stripe) -> None:
    buyer = lost_answer(stripe)
    order = Order.objects.get()
    sweep()
    session = ask(stripe, amount=CHARGED_MINOR + 10, **marked(order.id))
    stripe.pay(session["id"])
    expected = (Kind.AMOUNT_DIFFERS.value, session["id"], order.id)

    assert_found(expected)
    assert_left_open(expected)
    assert order_status(order.id) == Order.Status.FAILED
    assert buyer.account.held_minor == 0
    close_break(break_id=Break.objects.get().id, why="refunded at Stripe", by=actor())
    assert reconcile(repair=True).findings == []


def test_what_can_be_repaired_is_opened_anew_after_it_was_closed(stripe: Stripe) -> None:
    order_id = new_buyer().check_out().order_id
    stripe.pay(session_id_of(order_id))
    reconcile()
    close_break(break_id=Break.objects.get().id, why="looked at", by=actor())
    assert_found(differs(order_id))


def test_a_session_paid_after_the_order_was_given_up_is_settled(stripe: Stripe) -> None:
    lost_answer(stripe)
    [session] = stripe.sessions()
    Payment.objects.update(needs_stripe_cleanup=False)
    stripe.pay(session["id"])
    order = Order.objects.get()
    expected = (Kind.SESSION_STATE_DIFFERS.value, session["id"], order.id)

    assert_found(expected)
    done = reconcile(repair=True)

    assert (break_keys(done.findings), done.open) == ([expected], [])
    run_until_idle(stripe)
    assert reconcile().findings == []


# --- Another account, and objects that cannot be compared ----------------------------------------------------
def test_what_stripe_does_not_know_is_left_to_people(stripe: Stripe) -> None:
    order_id = new_buyer().check_out().order_id
    stripe.pay(session_id_of(order_id))
    run_until_idle(stripe)
    subscription = Subscription.objects.get()
    stripe.reset()
    expected = [
        differs(order_id),
        (Kind.SUBSCRIPTION_STATE_DIFFERS.value, subscription.stripe_subscription_id, order_id),
    ]

    assert_found(*expected)
    assert_left_open(*expected)


def test_the_keys_of_another_account_are_told_once_and_not_for_each_order(
    stripe: Stripe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reconciliation_run, "MANY", 2)
    for _ in range(3):
        stripe.pay(session_id_of(new_buyer().check_out().order_id))
    run_until_idle(stripe)
    stripe.reset()
    expected = (Kind.OTHER_ACCOUNT.value, "account", None)

    assert break_keys(reconcile(repair=True).open) == [expected, expected]
    assert open_breaks() == [expected]
    with nothing_changes():
        assert break_keys(reconcile(repair=True).open) == [expected, expected]
    assert Kind.OTHER_ACCOUNT.label in break_list_page()

    new_buyer().check_out()
    assert Kind.OTHER_ACCOUNT not in {each.kind for each in reconcile(parts=("sessions",)).findings}


def test_one_session_that_cannot_be_compared_holds_up_no_other(
    stripe: Stripe, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gateway, "PAGE", 1)
    orders = [new_buyer().check_out().order_id for _ in range(3)]
    for order_id in orders:
        stripe.do(f"sessions/{session_id_of(order_id)}/pay_async")
    run_until_idle(stripe)
    for order_id in orders:
        stripe.do(f"sessions/{session_id_of(order_id)}/fail_async")
    stripe.fault(path="/v1/invoice_payments", effect="answer", status=404, skip=2)

    done = reconcile(unread=["sessions"])

    assert sorted(break_keys(done.findings)) == sorted([differs(orders[0]), differs(orders[2])])
    assert session_id_of(orders[1]) in done.unread["sessions"]
    assert f"could not compare {session_id_of(orders[1])}" in caplog.text
