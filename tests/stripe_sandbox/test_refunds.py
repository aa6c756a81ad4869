"""Refunds and disputes: full and in parts, never more than there is, and what comes back."""

from typing import Any

import pytest
import stripe

from tests.stripe_sandbox.create_sessions import open_with_credit
from tests.stripe_sandbox.sandbox_process import SandboxProcess


def paid_charge(sandbox: SandboxProcess, client: stripe.StripeClient) -> stripe.Charge:
    sandbox.session(open_with_credit(client).id, "pay")
    return client.v1.charges.list().data[0]


def test_full_refund(sandbox: SandboxProcess, client: stripe.StripeClient) -> None:
    charge = paid_charge(sandbox, client)
    intent: Any = charge.payment_intent
    refund = client.v1.refunds.create({"payment_intent": intent, "reason": "requested_by_customer"})
    assert (refund.amount, refund.status, refund.currency, refund.charge) == (7_660, "succeeded", "omr", charge.id)
    after = client.v1.charges.retrieve(charge.id, {"expand": ["refunds", "balance_transaction"]})
    movement: Any = after.balance_transaction
    assert (after.amount_refunded, after.refunded, after.status) == (7_660, True, "succeeded")
    assert after.refunds is not None
    assert [each.id for each in after.refunds.data] == [refund.id]
    assert movement.net == 7_660
    event = sandbox.events("charge.refunded")[0]["data"]
    assert event["object"]["amount_refunded"] == 7_660
    assert event["previous_attributes"] == {"amount_refunded": 0, "refunded": False}


def test_refund_in_parts_up_to_what_is_left(sandbox: SandboxProcess, client: stripe.StripeClient) -> None:
    charge = paid_charge(sandbox, client)
    client.v1.refunds.create({"charge": charge.id, "amount": 2_000})
    assert client.v1.charges.retrieve(charge.id).refunded is False
    with pytest.raises(stripe.InvalidRequestError, match=r"Refund amount \(6.000 OMR\) is greater than unrefunded"):
        client.v1.refunds.create({"charge": charge.id, "amount": 6_000})
    client.v1.refunds.create({"charge": charge.id})
    after = client.v1.charges.retrieve(charge.id)
    assert (after.amount_refunded, after.refunded) == (7_660, True)
    assert [each.amount for each in client.v1.refunds.list({"charge": charge.id}).data] == [5_660, 2_000]
    assert len(sandbox.events("charge.refunded")) == 2


def test_refund_twice_is_one_by_key_and_refused_without(sandbox: SandboxProcess, client: stripe.StripeClient) -> None:
    charge = paid_charge(sandbox, client)
    first = client.v1.refunds.create({"charge": charge.id}, {"idempotency_key": "refund-1"})
    again = client.v1.refunds.create({"charge": charge.id}, {"idempotency_key": "refund-1"})
    assert again.id == first.id
    with pytest.raises(stripe.InvalidRequestError) as refused:
        client.v1.refunds.create({"charge": charge.id}, {"idempotency_key": "refund-2"})
    assert (refused.value.http_status, refused.value.code) == (400, "charge_already_refunded")
    assert client.v1.charges.retrieve(charge.id).amount_refunded == 7_660


@pytest.mark.parametrize("given", [{}, {"charge": "ch_x", "payment_intent": "pi_x"}, {"charge": "ch_nobody"}])
def test_refund_of_nothing_is_refused(client: stripe.StripeClient, given: Any) -> None:
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.refunds.create(given)


def test_unpaid_payment_cannot_be_refunded(sandbox: SandboxProcess, client: stripe.StripeClient) -> None:
    sandbox.session(open_with_credit(client).id, "refuse")
    intent = client.v1.payment_intents.list().data[0]
    with pytest.raises(stripe.InvalidRequestError, match="does not have a successful charge"):
        client.v1.refunds.create({"payment_intent": intent.id})


def test_a_refund_that_fails_later_is_not_counted(sandbox: SandboxProcess, client: stripe.StripeClient) -> None:
    charge = paid_charge(sandbox, client)
    refund = client.v1.refunds.create({"charge": charge.id})
    sandbox.control("POST", f"refunds/{refund.id}/fail")
    assert client.v1.refunds.retrieve(refund.id).status == "failed"
    after = client.v1.charges.retrieve(charge.id)
    assert (after.amount_refunded, after.refunded) == (0, False)
    assert [event["type"] for event in sandbox.events()][-2:] == ["refund.failed", "charge.refund.updated"]
    assert client.v1.refunds.create({"charge": charge.id}).amount == 7_660


def test_a_dashboard_refund_sends_the_same_events(sandbox: SandboxProcess, client: stripe.StripeClient) -> None:
    session = open_with_credit(client)
    sandbox.session(session.id, "pay")
    sandbox.control("POST", f"payments/{session.id}/refund", {"amount": 1_000})
    assert client.v1.charges.list().data[0].amount_refunded == 1_000
    assert sandbox.events("charge.refunded")[0]["request"]["id"] is None


@pytest.mark.parametrize(("status", "net"), [("won", 7_660), ("lost", 0)])
def test_dispute_takes_the_money_until_it_is_won(
    sandbox: SandboxProcess, client: stripe.StripeClient, status: str, net: int
) -> None:
    charge = paid_charge(sandbox, client)
    answer = sandbox.control("POST", f"payments/{charge.id}/dispute", {"reason": "product_not_received"})
    dispute = client.v1.disputes.retrieve(answer["id"])
    assert (dispute.amount, dispute.status, dispute.reason) == (7_660, "needs_response", "product_not_received")
    assert client.v1.charges.retrieve(charge.id).disputed is True
    with pytest.raises(stripe.InvalidRequestError) as refused:
        client.v1.refunds.create({"charge": charge.id})
    assert refused.value.code == "charge_disputed"
    sandbox.control("POST", f"disputes/{dispute.id}/close", {"status": status})
    kinds = [event["type"] for event in sandbox.events() if "dispute" in event["type"]]
    reinstated = ["charge.dispute.funds_reinstated"] if status == "won" else []
    assert kinds == [
        "charge.dispute.created",
        "charge.dispute.funds_withdrawn",
        *reinstated,
        "charge.dispute.closed",
    ]
    assert sum(each.net for each in client.v1.balance_transactions.list().data) == net
