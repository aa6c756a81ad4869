"""Idempotency keys: replay, conflict, in flight, what is kept and for how long."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import stripe

from tests.stripe_sandbox.create_sessions import open_session, session_parameters
from tests.stripe_sandbox.sandbox_process import SandboxProcess


def test_same_key_and_parameters_give_the_same_answer_again(
    sandbox: SandboxProcess, client: stripe.StripeClient
) -> None:
    first = open_session(client, "order-1")
    again = open_session(client, "order-1")
    assert again.id == first.id
    assert first.last_response is not None
    assert again.last_response is not None
    assert "Idempotent-Replayed" not in first.last_response.headers
    headers = again.last_response.headers
    assert headers["Idempotent-Replayed"] == "true"
    assert headers["Original-Request"] == first.last_response.headers["Request-Id"]
    assert len(client.v1.checkout.sessions.list().data) == 1
    assert [each["replayed"] for each in sandbox.requests(path="/v1/checkout/sessions", method="POST")] == [
        False,
        True,
    ]


def test_replay_shows_the_session_as_it_was(sandbox: SandboxProcess, client: stripe.StripeClient) -> None:
    session = open_session(client, "order-1")
    sandbox.session(session.id, "pay")
    assert open_session(client, "order-1").status == "open"
    assert client.v1.checkout.sessions.retrieve(session.id).status == "complete"


def test_same_key_with_other_parameters_is_refused(client: stripe.StripeClient) -> None:
    open_session(client, "order-1")
    with pytest.raises(stripe.IdempotencyError, match="same parameters") as refused:
        open_session(client, "order-1", client_reference_id="order-2")
    assert refused.value.http_status == 400
    with pytest.raises(stripe.IdempotencyError, match=r"'/v1/customers' vs '/v1/checkout/sessions'"):
        client.v1.customers.create({}, {"idempotency_key": "order-1"})
    assert len(client.v1.checkout.sessions.list().data) == 1


def test_key_in_flight_is_409_and_one_session_comes_of_it(
    sandbox: SandboxProcess, client: stripe.StripeClient
) -> None:
    sandbox.fault(method="POST", path="/v1/checkout/sessions", when="before", effect="delay", seconds=1.5)
    with ThreadPoolExecutor(8) as pool:
        tried = [pool.submit(open_session, client, "order-1") for _ in range(8)]
    errors = [each.exception() for each in tried]
    done = [each for each, error in zip(tried, errors, strict=True) if error is None]
    refused = [error for error in errors if isinstance(error, stripe.StripeError)]
    assert len({each.result().id for each in done}) == 1
    # The library gives such an error no code of its own; the answer has one.
    codes = {(error.http_status, error.error.code if error.error else None) for error in refused}
    assert codes == {(409, "idempotency_key_in_use")}
    assert len(done) + len(refused) == 8
    assert len(client.v1.checkout.sessions.list().data) == 1


def test_library_that_retries_gets_through_a_409(sandbox: SandboxProcess) -> None:
    sandbox.fault(method="POST", path="/v1/checkout/sessions", when="before", effect="delay", seconds=0.8)
    patient = sandbox.client(retries=8)
    with ThreadPoolExecutor(2) as pool:
        ids = {each.id for each in pool.map(lambda _: open_session(patient, "order-1"), range(2))}
    assert len(ids) == 1


def test_refusal_before_executing_is_not_kept(client: stripe.StripeClient) -> None:
    for wrong in ({"mode": "sometimes"}, {"nothing": "x"}):
        with pytest.raises(stripe.InvalidRequestError):
            open_session(client, "order-1", **wrong)
    assert open_session(client, "order-1").status == "open"


def test_refusal_from_executing_is_kept(client: stripe.StripeClient) -> None:
    with pytest.raises(stripe.InvalidRequestError, match="No such coupon"):
        open_session(client, "order-1", discounts=[{"coupon": "LATER"}])
    client.v1.coupons.create({"id": "LATER", "amount_off": 1_000, "currency": "omr", "duration": "once"})
    with pytest.raises(stripe.InvalidRequestError, match="No such coupon") as refused:
        open_session(client, "order-1", discounts=[{"coupon": "LATER"}])
    assert refused.value.headers is not None
    assert refused.value.headers["Idempotent-Replayed"] == "true"


def test_key_is_forgotten_after_a_day(sandbox: SandboxProcess, client: stripe.StripeClient) -> None:
    first = open_session(client, "order-1")
    sandbox.control("POST", "clock", {"seconds": 86_399 - 60, "everything": True})
    assert open_session(client, "order-1").id == first.id
    sandbox.control("POST", "clock", {"seconds": 61, "everything": True})
    assert open_session(client, "order-1").id != first.id


def test_changed_secret_key_does_not_make_a_key_new(sandbox: SandboxProcess, client: stripe.StripeClient) -> None:
    first = open_session(client, "order-1")
    sandbox.control("POST", "keys", {"secret_key": "sk_test_51Rotated000000000000000"})
    assert open_session(sandbox.client("sk_test_51Rotated000000000000000"), "order-1").id == first.id


def test_key_on_a_get_means_nothing_and_a_long_one_is_refused(sandbox: SandboxProcess) -> None:
    assert sandbox.api("GET", "/v1/customers", Idempotency_Key="k").status == 200
    assert "Idempotent-Replayed" not in sandbox.api("GET", "/v1/customers", Idempotency_Key="k").headers
    assert sandbox.api("POST", "/v1/customers", Idempotency_Key="k" * 256).status == 400


def test_events_name_the_request_and_its_key(sandbox: SandboxProcess, client: stripe.StripeClient) -> None:
    client.v1.customers.create({}, {"idempotency_key": "customer-1"})
    event = sandbox.events("customer.created")[0]
    assert event["request"]["idempotency_key"] == "customer-1"
    assert event["request"]["id"] == sandbox.requests(path="/v1/customers")[0]["id"]
    sandbox.session(open_session(client).id, "pay")
    assert sandbox.events("checkout.session.completed")[0]["request"] == {"id": None, "idempotency_key": None}


def test_parameters_are_compared_whole() -> None:
    """The helper of these tests gives every session the same parameters, or the replays above would prove nothing."""
    assert session_parameters() == session_parameters()
