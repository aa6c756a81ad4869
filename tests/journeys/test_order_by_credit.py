"""A visitor signs in by mail, makes an organization, and pays its first order by a voucher's credit."""

from typing import Any
from uuid import uuid4

import pytest

from tests.journeys.front_end import FrontEnd
from tests.journeys.ordering import (
    assert_complete,
    issue_voucher,
    poll_between_steps,
    shop_in_order_of_calls,
)
from tests.journeys.shapes import BALANCE, ORDER, PROVISION, QUOTE, conforms
from tests.journeys.worker import run_worker

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_visitor_becomes_a_customer_with_a_live_organization(
    visitor: FrontEnd, root: FrontEnd, monkeypatch: pytest.MonkeyPatch
) -> None:
    issue_voucher(root, "WELCOME50", 50)
    bought = shop_in_order_of_calls(visitor, voucher="welcome50")
    answer = visitor.post("billing/checkout", bought.order, Idempotency_Key=str(uuid4()))
    assert answer.status == 200, answer
    assert set(answer.body) >= {"order_id", "paid_by_credit", "credit_balance"}
    assert answer.body["paid_by_credit"] is True
    left = 50_000 - bought.total_minor
    assert (answer.body["credit_balance_minor"], answer.body["credit_balance"] * 1_000) == (left, left)

    started = visitor.post("provisioning/start", bought.start(answer.body["order_id"]))
    assert started.status == 201, started
    assert conforms(started.body, PROVISION)
    assert started.body["order_id"] == answer.body["order_id"]
    assert visitor.post("provisioning/start", bought.start(answer.body["order_id"])).body == started.body

    seen = poll_between_steps(visitor, bought.tenant, monkeypatch)
    assert [each["status"] for each in seen][:1] == ["pending"]
    assert seen[-1]["status"] == "completed"
    assert seen[-1]["progress"] == 100
    assert [each["progress"] for each in seen] == sorted(each["progress"] for each in seen)
    assert "provisioning" in {each["status"] for each in seen}
    assert_complete(visitor, bought, order_id=answer.body["order_id"])

    balance = visitor.read("billing/balance")
    assert conforms(balance, BALANCE)
    assert (balance["credit_minor"], balance["held_minor"], balance["available_minor"]) == (left, 0, left)
    assert [(entry["reason"], entry["amount_minor"]) for entry in balance["entries"]] == [
        ("order-payment", -bought.total_minor),
        ("promo:WELCOME50", 50_000),
    ]
    assert balance["entries"][0]["order_id"] == answer.body["order_id"]
    [order] = root.read("billing/admin/orders")
    assert conforms(order, ORDER)
    assert (order["status"], order["promo_code"], order["promo_deleted"]) == ("completed", "WELCOME50", False)
    assert (order["customer_id"], order["amount_minor"]) == (visitor.user["id"], bought.total_minor)


def test_the_same_request_again_orders_nothing_twice(visitor: FrontEnd, root: FrontEnd) -> None:
    issue_voucher(root, "WELCOME50", 50)
    bought = shop_in_order_of_calls(visitor, voucher="welcome50")
    key = str(uuid4())
    first = visitor.post("billing/checkout", bought.order, Idempotency_Key=key)
    assert visitor.post("billing/checkout", bought.order, Idempotency_Key=key).body == first.body
    other = {**bought.order, "apps": []}
    assert visitor.post("billing/checkout", other, Idempotency_Key=key).status == 422
    again = visitor.post("billing/checkout", {**bought.order, "promo_code": ""}, Idempotency_Key=str(uuid4()))
    assert (again.status, again.code) == (409, "already_subscribed")
    assert len(root.read("billing/admin/orders")) == 1


def test_a_quote_is_what_the_checkout_then_does(visitor: FrontEnd, root: FrontEnd) -> None:
    issue_voucher(root, "WELCOME50", 50)
    bought = shop_in_order_of_calls(visitor, voucher="welcome50")
    quote = visitor.post("billing/checkout/quote", bought.order)
    assert quote.status == 200, quote
    assert conforms(quote.body, QUOTE)
    assert quote.body["promo"]["code"] == "WELCOME50"
    assert quote.body["promo"]["credit_minor"] == 50_000
    assert visitor.read("billing/balance")["entries"] == []
    answer = visitor.post("billing/checkout", bought.order)
    assert answer.body["credit_balance_minor"] == quote.body["credit_left_minor"]
    assert quote.body["total_minor"] == bought.total_minor
    assert (quote.body["credit_applied_minor"], quote.body["amount_due_minor"]) == (bought.total_minor, 0)


def test_without_credit_and_without_stripe_nothing_has_changed(visitor: FrontEnd, root: FrontEnd) -> None:
    issue_voucher(root, "TINY", 1)
    bought = shop_in_order_of_calls(visitor, voucher="tiny")
    [before] = root.read("billing/vouchers/list")
    answer = visitor.post("billing/checkout", bought.order)
    assert answer.status == 503
    assert answer.body["error"].startswith("payment processor is not configured")
    assert root.read("billing/vouchers/list") == [before]
    assert root.read("billing/admin/orders") == []
    assert visitor.read("billing/balance")["entries"] == []
    assert visitor.read(f"tenant/orgs/{bought.tenant}")["status"] == "pending"
    assert visitor.get(f"provisioning/tenant/{bought.tenant}").status == 404
    assert visitor.get(f"billing/subscription/{bought.tenant}").status == 404
    assert visitor.read("billing/invoices") == []


@pytest.mark.parametrize("missing", ["tenant_id", "order_id", "plan_id"])
def test_start_needs_its_ids(visitor: FrontEnd, root: FrontEnd, missing: str) -> None:
    issue_voucher(root, "WELCOME50", 50)
    bought = shop_in_order_of_calls(visitor, voucher="welcome50")
    order_id = visitor.post("billing/checkout", bought.order).body["order_id"]
    body: dict[str, Any] = bought.start(order_id)
    del body[missing]
    assert visitor.post("provisioning/start", body).status == 400


def test_an_organization_is_live_where_no_client_calls_start(visitor: FrontEnd, root: FrontEnd) -> None:
    issue_voucher(root, "WELCOME50", 50)
    bought = shop_in_order_of_calls(visitor, voucher="welcome50")
    order_id = visitor.post("billing/checkout", bought.order).body["order_id"]
    run_worker()
    assert_complete(visitor, bought, order_id=order_id)
    # A late start finds the provision that is there.
    late = visitor.post("provisioning/start", bought.start(order_id))
    assert (late.status, late.body["status"]) == (201, "completed")
