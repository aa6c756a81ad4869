"""A superadmin registers subscribers' endpoints over the API, reads what was sent to them, and sends it again."""

from typing import Any

import pytest

from orders.models import WebhookDelivery
from orders.use_cases.webhooks.deliver_webhooks import deliver_webhooks
from tests.contract.issuing_shapes import WEBHOOK_DELIVERY, WEBHOOK_ENDPOINT
from tests.factories import OrganizationFactory
from tests.orders.webhooks.receiver import receiver
from tests.snapshot import only_changes

from .api_client import Caller, by_token
from .json_shapes import assert_refused, assert_shape

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("private_endpoints")]

WEBHOOKS = "billing/admin/webhooks"
WHY = {"reason": "a new shop"}


def register(caller: Caller, url: str, **more: Any) -> dict[str, Any]:
    answer = caller.post(WEBHOOKS, {"url": url, **more})
    assert answer.status == 201
    body: dict[str, Any] = answer.body
    return body


def test_an_endpoint_is_registered_with_a_secret_that_is_answered_once(root: Caller) -> None:
    with only_changes("orders_webhookendpoint", "billing_auditentry"):
        made = register(root, "https://shop.example.com/hooks", types=["order.placed"], description="The shop")
    secret = made.pop("secret")
    assert secret.startswith("whsec_")
    assert_shape(made, WEBHOOK_ENDPOINT)
    assert (made["status"], made["types"], made["description"]) == ("active", ["order.placed"], "The shop")
    assert root.get(f"{WEBHOOKS}/{made['id']}").body == made
    assert root.get(WEBHOOKS).body[0] == made
    rotated = root.post(f"{WEBHOOKS}/{made['id']}/rotate-secret", WHY)
    assert rotated.status == 200 and rotated.body["secret"] not in (secret, "")
    assert by_token("auditor").get(f"{WEBHOOKS}/{made['id']}").status == 200
    assert_refused(by_token("auditor").post(f"{WEBHOOKS}/{made['id']}/test", WHY), 403, "permission_denied")


def test_an_endpoint_is_changed_paused_resumed_and_retired(root: Caller) -> None:
    made = register(root, "https://shop.example.com/hooks")
    path = f"{WEBHOOKS}/{made['id']}"
    changed = root.call("PUT", path, {"url": "https://new.example.com/", **WHY}).body
    assert (changed["url"], changed["types"]) == ("https://new.example.com/", [])
    states = [root.post(f"{path}/{act}", WHY).body["status"] for act in ("pause", "resume", "retire", "retire")]
    assert states == ["paused", "active", "retired", "retired"]
    assert_refused(root.post(f"{path}/resume", WHY), 409, "webhook_endpoint_retired")
    assert_refused(root.post(f"{WEBHOOKS}/nope/pause", WHY), 404, "webhook_endpoint_not_found")


def test_a_test_message_answers_with_what_the_endpoint_said(root: Caller) -> None:
    with receiver() as found:
        made = register(root, found.url)
        answer = root.post(f"{WEBHOOKS}/{made['id']}/test", WHY).body
        assert (answer["accepted"], answer["status"], answer["error"]) == (True, 204, "")
        [body] = found.verified(made["secret"])
        assert isinstance(body, dict) and body["data"] == {"endpoint_id": made["id"]}
        found.answers = lambda number: 500
        answer = root.post(f"{WEBHOOKS}/{made['id']}/test", WHY).body
        assert (answer["accepted"], answer["status"], answer["error"]) == (False, 500, "answered 500")


def test_deliveries_are_listed_and_dead_letters_sent_again(root: Caller) -> None:
    with receiver() as found:
        path = f"{WEBHOOKS}/{register(root, found.url)['id']}"
        root.call("DELETE", f"tenant/orgs/{OrganizationFactory.create().pk}")
        WebhookDelivery.objects.update(status=WebhookDelivery.Status.FAILED)
        [failed] = root.get(f"{path}/deliveries?status=failed").body
        assert (failed["type"], failed["next_attempt_at"]) == ("tenant.deleted", None)
        only = {"delivery_id": failed["id"], **WHY}
        answers = [root.post(f"{path}/resend-failed", body).body["resent"] for body in (only, only, WHY)]
        assert answers == [1, 0, 0]
        unknown = root.post(f"{path}/resend-failed", {**only, "delivery_id": path[-36:]})
        assert_refused(unknown, 404, "webhook_delivery_not_found")
        deliver_webhooks(seconds=0.05)
        [delivered] = root.get(f"{path}/deliveries?status=delivered").body
        assert_shape(delivered, WEBHOOK_DELIVERY)
        assert (delivered["id"], delivered["attempts"]) == (failed["id"], 1)
        assert delivered["log"][0]["status"] == 204
        assert root.get(f"{path}/deliveries").body == [delivered]
        assert list(root.get(f"{path}/deliveries?status=lost").body["fields"]) == ["status"]
