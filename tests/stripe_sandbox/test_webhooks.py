"""Webhooks: signed, retried, held back, duplicated, out of order, forged, stale, about money or objects of others."""

import json
import time

import pytest
import stripe

from tests.stripe_sandbox.create_sessions import open_session
from tests.stripe_sandbox.sandbox_process import WEBHOOK_SECRET, SandboxProcess
from tests.stripe_sandbox.webhook_receiver import Delivery, Receiver


def paid(sandbox: SandboxProcess, client: stripe.StripeClient) -> str:
    """Pay a session; returns the id of the event that tells of it."""
    sandbox.session(open_session(client).id, "pay")
    identifier: str = sandbox.events("checkout.session.completed")[0]["id"]
    return identifier


def type_of(delivery: Delivery) -> str:
    kind: str = json.loads(delivery.payload)["type"]
    return kind


def test_delivery_is_signed_as_the_library_verifies_it(
    sandbox: SandboxProcess, client: stripe.StripeClient, receiver: Receiver
) -> None:
    paid(sandbox, client)
    sandbox.control("POST", "webhooks/flush")
    kinds = [event["type"] for event in sandbox.events()]
    assert [delivery.verify().type for delivery in receiver.deliveries] == kinds
    completed = receiver.deliveries[-1].verify()
    assert completed.data.object.amount_total == 15_000
    assert completed.api_version == stripe.api_version
    with pytest.raises(stripe.SignatureVerificationError):
        receiver.deliveries[0].verify("whsec_another")


def test_worker_delivers_by_itself_and_marks_the_event(
    sandbox: SandboxProcess, client: stripe.StripeClient, receiver: Receiver
) -> None:
    sandbox.control("POST", "webhooks", {})
    customer = client.v1.customers.create({})
    assert receiver.wait_for(1)[0].verify().data.object.id == customer.id
    event = sandbox.events("customer.created")[0]["id"]
    deadline = time.monotonic() + 10
    while client.v1.events.retrieve(event).pending_webhooks:
        assert time.monotonic() < deadline
    assert client.v1.events.list({"delivery_success": False}).data == []


def test_refused_delivery_is_tried_again_until_it_is_taken(
    sandbox: SandboxProcess, client: stripe.StripeClient, receiver: Receiver
) -> None:
    receiver.statuses.extend([500, 302])
    client.v1.customers.create({})
    for _ in range(4):
        sandbox.control("POST", "webhooks/flush")
    attempts = sandbox.control("GET", "attempts", type="customer.*")
    assert [(each["attempt"], each["status"]) for each in attempts] == [(1, 500), (2, 302), (3, 200)]
    assert len({delivery.payload for delivery in receiver.deliveries}) == 1


def test_worker_tries_again_after_a_growing_delay(
    sandbox: SandboxProcess, client: stripe.StripeClient, receiver: Receiver
) -> None:
    receiver.statuses.extend([500, 503])
    sandbox.control("POST", "webhooks", {})
    client.v1.customers.create({})
    first, second, third = receiver.wait_for(3)
    assert second.at - first.at >= 1
    assert third.at - second.at >= 2


def test_webhooks_can_be_held_back_and_come_late(
    sandbox: SandboxProcess, client: stripe.StripeClient, receiver: Receiver
) -> None:
    sandbox.control("POST", "webhooks", {"delay_seconds": 1})
    before = time.time()
    client.v1.customers.create({})
    late = receiver.wait_for(1)[0]
    assert late.at - before >= 1
    assert late.verify().type == "customer.created"


def test_only_chosen_types_are_held_back(
    sandbox: SandboxProcess, client: stripe.StripeClient, receiver: Receiver
) -> None:
    sandbox.control("POST", "webhooks", {"automatic": False, "types": ["checkout.*"]})
    paid(sandbox, client)
    others = len(sandbox.events()) - 1
    assert "checkout.session.completed" not in {type_of(each) for each in receiver.wait_for(others)}
    sandbox.control("POST", "webhooks/flush")
    assert type_of(receiver.wait_for(others + 1)[-1]) == "checkout.session.completed"


@pytest.mark.parametrize("order", ["created", "reversed", "shuffled"])
def test_order_can_be_chosen(
    sandbox: SandboxProcess, client: stripe.StripeClient, receiver: Receiver, order: str
) -> None:
    paid(sandbox, client)
    sandbox.control("POST", "webhooks", {"automatic": False, "order": order})
    sandbox.control("POST", "webhooks/flush")
    created = [event["id"] for event in sandbox.events()]
    came = [delivery.verify().id for delivery in receiver.deliveries]
    assert sorted(came) == sorted(created)
    if order != "shuffled":
        assert came == (created if order == "created" else created[::-1])


def test_duplicates_come_one_after_the_other_or_fifty_at_once(
    sandbox: SandboxProcess, client: stripe.StripeClient, receiver: Receiver
) -> None:
    event = paid(sandbox, client)
    sandbox.control("POST", "webhooks", {"automatic": False, "copies": 2, "types": ["checkout.*"]})
    sandbox.control("POST", "webhooks/flush")
    assert [type_of(each) for each in receiver.deliveries].count("checkout.session.completed") == 2
    receiver.clear()
    attempts = sandbox.control("POST", f"events/{event}/deliver", {"copies": 50, "concurrent": True})
    assert [each["status"] for each in attempts] == [200] * 50
    assert {delivery.verify().id for delivery in receiver.deliveries} == {event}
    assert len(receiver.deliveries) == 50


def test_all_held_deliveries_can_be_sent_at_once(
    sandbox: SandboxProcess, client: stripe.StripeClient, receiver: Receiver
) -> None:
    paid(sandbox, client)
    sandbox.control("POST", "webhooks", {"automatic": False, "concurrent": True, "copies": 3})
    sandbox.control("POST", "webhooks/flush")
    came = [delivery.verify().id for delivery in receiver.deliveries]
    assert sorted(came) == sorted(event["id"] for event in sandbox.events() for _ in range(3))
    assert sandbox.control("POST", "webhooks/flush") == []


def test_forged_missing_and_stale_signatures_are_told_apart(
    sandbox: SandboxProcess, client: stripe.StripeClient, receiver: Receiver
) -> None:
    event = paid(sandbox, client)
    for manner in ({"signature": "forged"}, {"signature": "missing"}, {"age_seconds": 301}, {"age_seconds": 290}):
        sandbox.control("POST", f"events/{event}/deliver", manner)
    forged, missing, stale, recent = receiver.deliveries
    for wrong in (forged, missing, stale):
        with pytest.raises(stripe.SignatureVerificationError):
            wrong.verify()
    assert missing.signature is None
    # Stale is the time alone: without tolerance the signature itself is right.
    stripe.WebhookSignature.verify_header(stale.payload.decode(), stale.signature or "", WEBHOOK_SECRET, 0)
    assert recent.verify().id == event


def test_a_manner_applies_to_its_number_of_deliveries(
    sandbox: SandboxProcess, client: stripe.StripeClient, receiver: Receiver
) -> None:
    for _ in range(2):
        client.v1.customers.create({})
    sandbox.control("POST", "webhooks", {"automatic": False, "signature": "forged", "count": 1})
    sandbox.control("POST", "webhooks/flush")
    with pytest.raises(stripe.SignatureVerificationError):
        receiver.wait_for(1)[0].verify()
    assert receiver.wait_for(2)[1].verify().type == "customer.created"


def test_another_currency_comes_as_an_event_of_its_own(
    sandbox: SandboxProcess, client: stripe.StripeClient, receiver: Receiver
) -> None:
    event = paid(sandbox, client)
    sandbox.control("POST", f"events/{event}/deliver", {"currency": "usd"})
    strange = receiver.deliveries[0].verify()
    assert (strange.data.object.currency, strange.data.object.amount_total) == ("usd", 15_000)
    assert strange.id != event


def test_unknown_objects_name_nothing_that_exists(
    sandbox: SandboxProcess, client: stripe.StripeClient, receiver: Receiver
) -> None:
    event = paid(sandbox, client)
    sandbox.control("POST", f"events/{event}/deliver", {"unknown_objects": True})
    strange = receiver.deliveries[0].verify().data.object
    with pytest.raises(stripe.InvalidRequestError, match="No such checkout"):
        client.v1.checkout.sessions.retrieve(strange.id)
    assert (strange.metadata.to_dict(), strange.client_reference_id) == ({}, None)
    assert strange.subscription not in receiver.deliveries[0].payload.decode().split(strange.id)[0]


def test_a_second_endpoint_gets_only_its_event_types(
    sandbox: SandboxProcess, client: stripe.StripeClient, receiver: Receiver
) -> None:
    with Receiver() as other:
        answer = {"url": other.url, "secret": "whsec_other", "events": ["invoice.*"]}
        endpoint = sandbox.control("POST", "endpoints", answer)
        assert "secret" not in endpoint
        paid(sandbox, client)
        sandbox.control("POST", "webhooks/flush")
        assert [each.verify("whsec_other").type for each in other.deliveries] == [
            "invoice.created",
            "invoice.finalized",
            "invoice.paid",
            "invoice.payment_succeeded",
        ]
        sandbox.control("DELETE", f"endpoints/{endpoint['id']}")
        shown = sandbox.control("GET", "webhooks")
        assert [each["url"] for each in shown["endpoints"]] == [receiver.url]
        assert WEBHOOK_SECRET not in json.dumps(shown)


def test_a_delivery_to_a_missing_endpoint_is_recorded(
    sandbox: SandboxProcess, client: stripe.StripeClient, receiver: Receiver
) -> None:
    sandbox.control("POST", "endpoints", {"url": "http://127.0.0.1:9/", "secret": "whsec_gone"})
    client.v1.customers.create({})
    attempts = sandbox.control("POST", "webhooks/flush")
    assert [each["status"] for each in attempts] == [200, None]
    assert "refused" in attempts[1]["error"]
