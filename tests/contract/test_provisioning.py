"""A completed order has a provision, whichever way it was paid, and clients poll it until the end."""

from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from billing.models import Customer
from orders import tasks
from orders.models import App, Order, Plan, Provision
from tests.factories import give_credit
from tests.snapshot import nothing_changes

from .api_client import Answer, Caller
from .conftest import Checkout
from .json_shapes import assert_refused, assert_shape
from .response_shapes import PROVISION

pytestmark = pytest.mark.django_db(transaction=True)

START = "provisioning/start"


@pytest.fixture
def order_id(checkout: Checkout) -> str:
    """The id of Ada's paid order of plan m with WordPress."""
    give_credit(Customer.objects.get(user_id="ada"), 50_000)
    return str(checkout(apps=["wordpress"]).body["order_id"])


def start(caller: Caller, tenant: str, order_id: str, **body: Any) -> Answer:
    valid = {"tenant_id": tenant, "order_id": order_id, "plan_id": "m", "apps": ["wordpress"], "subdomain": "acme"}
    return caller.post(START, {**valid, **body})


def id_of_app(slug: str) -> str:
    return str(App.objects.get(slug=slug).id)


def test_start_answers_with_the_provision_of_the_order(ada: Caller, acme: str, order_id: str) -> None:
    answer = start(ada, acme, order_id)
    assert answer.status == 201
    assert_shape(answer.body, PROVISION)
    body = answer.body
    assert (body["tenant_id"], body["order_id"], body["subdomain"]) == (acme, order_id, "acme")
    assert (body["plan_id"], body["apps"]) == (str(Plan.objects.get(slug="m").id), [id_of_app("wordpress")])
    assert (body["status"], body["progress"]) == ("pending", 0)
    assert [step["name"] for step in body["steps"]] == [
        "Creating namespace",
        "Deploying Mariadb",
        "Deploying Wordpress",
        "Connecting acme.sovereign.example",
    ]
    assert {(step["status"], step["message"]) for step in body["steps"]} == {("pending", "")}


def test_start_is_idempotent_by_order(ada: Caller, acme: str, order_id: str) -> None:
    first = start(ada, acme, order_id)
    with nothing_changes():
        assert start(ada, acme, order_id).body == first.body
    assert Provision.objects.count() == 1


def test_start_takes_everything_from_the_order(ada: Caller, acme: str, order_id: str) -> None:
    answer = start(ada, acme, order_id, plan_id="xl", apps=["nope"], subdomain="other")
    assert answer.status == 201
    assert answer.body == ada.get(f"provisioning/tenant/{acme}").body
    assert (answer.body["subdomain"], answer.body["apps"]) == ("acme", [id_of_app("wordpress")])


def test_start_needs_no_more_than_the_ids(ada: Caller, acme: str, order_id: str) -> None:
    answer = ada.post(START, {"tenant_id": acme, "order_id": order_id, "plan_id": str(uuid4())})
    assert answer.status == 201


@pytest.mark.parametrize("missing", ["tenant_id", "order_id", "plan_id"])
def test_start_without_an_id_is_refused(ada: Caller, acme: str, order_id: str, missing: str) -> None:
    body = {"tenant_id": acme, "order_id": order_id, "plan_id": "m"}
    del body[missing]
    with nothing_changes():
        answer = ada.post(START, body)
    assert_refused(answer, 400, "invalid_request")
    assert list(answer.body["fields"]) == [missing]


def test_start_of_an_order_that_is_not_there_or_not_of_the_organization(
    ada: Caller, bob: Caller, acme: str, bobs: str, order_id: str
) -> None:
    with nothing_changes():
        assert_refused(start(ada, acme, str(uuid4())), 404, "order_not_found")
        assert_refused(start(bob, bobs, order_id), 404, "order_not_found")
        assert_refused(start(bob, acme, order_id), 404, "tenant_not_found")
        assert_refused(start(ada, bobs, order_id), 404, "tenant_not_found")


def test_start_of_an_order_that_waits_for_its_payment(ada: Caller, acme: str, order_id: str) -> None:
    Order.objects.filter(id=order_id).update(status="refunded")
    assert start(ada, acme, order_id).status == 201
    paid = Order.objects.get(id=order_id)
    waiting = Order.objects.create(
        organization_id=acme,
        customer=paid.customer,
        plan_id=paid.plan_id,
        total_minor=1,
        currency="OMR",
        status="pending",
        placed_by="ada",
        placed_by_role="customer",
        channel="api",
    )
    with nothing_changes():
        assert_refused(start(ada, acme, str(waiting.id)), 409, "order_not_complete")
        assert_refused(ada.get(f"provisioning/status/{waiting.id}"), 404, "provision_not_found")


@pytest.mark.parametrize("path", ["provisioning/tenant/{tenant}", "provisioning/status/{order}"])
def test_a_completed_order_has_a_provision_at_once(ada: Caller, acme: str, order_id: str, path: str) -> None:
    answer = ada.get(path.format(tenant=acme, order=order_id))
    assert answer.status == 200
    assert_shape(answer.body, PROVISION)
    assert (answer.body["order_id"], answer.body["status"]) == (order_id, "pending")
    assert start(ada, acme, order_id).body == answer.body
    assert ada.get(f"provisioning/status/{answer.body['id']}").body == answer.body


def test_others_find_no_provision(ada: Caller, bob: Caller, bobs: str, acme: str, order_id: str) -> None:
    with nothing_changes():
        assert_refused(bob.get(f"provisioning/tenant/{acme}"), 404, "tenant_not_found")
        assert_refused(bob.get(f"provisioning/tenant/{bobs}"), 404, "provision_not_found")
        assert_refused(bob.get(f"provisioning/status/{order_id}"), 404, "provision_not_found")
        assert_refused(ada.get(f"provisioning/status/{uuid4()}"), 404, "provision_not_found")


def test_the_newest_order_counts(ada: Caller, acme: str, order_id: str, checkout: Checkout) -> None:
    start(ada, acme, order_id)
    second = checkout(plan_id="l").body["order_id"]
    assert ada.get(f"provisioning/tenant/{acme}").body["order_id"] == second
    assert ada.get(f"provisioning/status/{order_id}").body["order_id"] == order_id


def test_without_a_provisioner_the_worker_completes_the_steps_and_says_so(
    ada: Caller, acme: str, order_id: str
) -> None:
    tasks.provision_organization(order_id)
    body = ada.get(f"provisioning/tenant/{acme}").body
    assert_shape(body, PROVISION)
    assert (body["status"], body["progress"]) == ("completed", 100)
    for step in body["steps"]:
        assert (step["status"], "no provisioner" in step["message"]) == ("completed", True)
        assert step["started_at"] <= step["done_at"]
    assert ada.get(f"tenant/orgs/{acme}").body["status"] == "active"


def test_polling_costs_one_or_two_statements(ada: Caller, acme: str, order_id: str) -> None:
    start(ada, acme, order_id)
    polled = {
        f"provisioning/tenant/{acme}": 1,
        f"provisioning/status/{order_id}": 2,
        f"provisioning/jobs?tenant_id={acme}": 1,
    }
    for path, number in polled.items():
        with CaptureQueriesContext(
            connection,
        ) as queries:
            assert ada.get(path).status == 200
        assert len(queries) == number, path
