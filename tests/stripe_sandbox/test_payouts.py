"""Fees reduce the balance, a payout takes all of it, and one that the bank returns comes back."""

import pytest
import stripe

from tests.stripe_sandbox.create_sessions import open_with_credit
from tests.stripe_sandbox.sandbox_process import SandboxProcess


def balance(client: stripe.StripeClient) -> int:
    return sum(each.amount for each in client.v1.balance.retrieve().available)


def test_fees_and_payouts_move_the_balance(sandbox: SandboxProcess, client: stripe.StripeClient) -> None:
    sandbox.control("POST", "fees", {"basis_points": 290, "fixed": 100, "dispute": 5_000})
    sandbox.session(open_with_credit(client).id, "pay")
    fee = 7_660 * 290 // 10_000 + 100
    (charged,) = client.v1.balance_transactions.list({"type": "charge"}).data
    assert (charged.amount, charged.fee, charged.net) == (7_660, fee, 7_660 - fee)
    assert [each.amount for each in charged.fee_details] == [fee]
    assert balance(client) == charged.net

    payout = client.v1.payouts.retrieve(sandbox.control("POST", "payouts", {"currency": "omr"})["id"])
    assert (payout.amount, payout.status, balance(client)) == (charged.net, "paid", 0)
    parts = client.v1.balance_transactions.list({"payout": payout.id}).data
    assert [(each.type, each.net) for each in parts] == [("payout", -charged.net), ("charge", charged.net)]
    sandbox.control("POST", f"payouts/{payout.id}/fail")
    assert (client.v1.payouts.retrieve(payout.id).status, balance(client)) == ("failed", charged.net)
    sandbox.control("POST", f"payments/{charged.source}/dispute")
    assert balance(client) == -fee - 5_000
    kinds = [event["type"] for event in sandbox.events() if event["type"].startswith("payout")]
    assert kinds == ["payout.created", "payout.updated", "payout.paid", "payout.updated", "payout.failed"]


def test_nothing_is_paid_out_of_an_empty_balance(sandbox: SandboxProcess) -> None:
    with pytest.raises(Exception, match="insufficient funds"):
        sandbox.control("POST", "payouts", {"currency": "omr"})
