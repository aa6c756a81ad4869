"""Each fault: before and after execution, delayed, dropped, cut, or answered instead of Stripe."""

import time
from typing import Any

import pytest
import stripe

from tests.stripe_sandbox.create_sessions import open_session
from tests.stripe_sandbox.sandbox_process import ControlRefused, SandboxProcess

SESSIONS = "/v1/checkout/sessions"


def sessions_made(client: stripe.StripeClient) -> int:
    return len(client.v1.checkout.sessions.list().data)


@pytest.mark.parametrize(("when", "made"), [("before", 0), ("after", 1)])
def test_dropped_connection_before_and_after_executing(
    sandbox: SandboxProcess, client: stripe.StripeClient, when: str, made: int
) -> None:
    sandbox.fault(path=SESSIONS, when=when, effect="drop")
    with pytest.raises(stripe.APIConnectionError):
        open_session(client, "order-1")
    assert sessions_made(client) == made
    # The same key resumes: the session that was made is found, or one is made now.
    assert open_session(client, "order-1").amount_total == 15_000
    assert sessions_made(client) == 1


def test_half_an_answer_is_a_connection_error_and_the_session_exists(
    sandbox: SandboxProcess, client: stripe.StripeClient
) -> None:
    sandbox.fault(path=SESSIONS, effect="cut")
    with pytest.raises(stripe.StripeError):
        open_session(client, "order-1")
    assert sessions_made(client) == 1


@pytest.mark.parametrize(("when", "made_meanwhile"), [("before", 0), ("after", 1)])
def test_answer_after_the_client_gave_up(
    sandbox: SandboxProcess, client: stripe.StripeClient, when: str, made_meanwhile: int
) -> None:
    identifier = sandbox.fault(path=SESSIONS, when=when, effect="delay", seconds=1)
    impatient = sandbox.client(timeout=0.4)
    started = time.monotonic()
    with pytest.raises(stripe.APIConnectionError):
        open_session(impatient, "order-1")
    assert time.monotonic() - started < 1
    assert sessions_made(client) == made_meanwhile
    deadline = time.monotonic() + 10
    while sandbox.requests(path=SESSIONS, method="POST")[0]["status"] is None:
        assert time.monotonic() < deadline
    assert sessions_made(client) == 1
    assert open_session(client, "order-1").status == "open"
    assert sessions_made(client) == 1
    assert [(each["id"], each["hits"]) for each in sandbox.control("GET", "faults")] == [(identifier, 1)]


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, stripe.InvalidRequestError),
        (401, stripe.AuthenticationError),
        (402, stripe.CardError),
        (403, stripe.PermissionError),
        (404, stripe.InvalidRequestError),
        (429, stripe.RateLimitError),
        (500, stripe.APIError),
        (503, stripe.APIError),
    ],
)
def test_a_fault_answers_with_a_status(
    sandbox: SandboxProcess, client: stripe.StripeClient, status: int, error: type[Exception], when: str
) -> None:
    sandbox.fault(path=SESSIONS, when=when, effect="answer", status=status)
    with pytest.raises(error) as refused:
        open_session(client, "order-1")
    answered: Any = refused.value
    assert answered.http_status == status
    assert sessions_made(client) == (1 if when == "after" else 0)
    if status == 500:
        # Stripe's own failure is kept for the key, executed or not.
        with pytest.raises(stripe.APIError) as refused:
            open_session(client, "order-1")
        answered = refused.value
        assert answered.headers["Idempotent-Replayed"] == "true"
    else:
        assert open_session(client, "order-1").status == "open"
        assert sessions_made(client) == 1


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_fault_answers_with_garbage(sandbox: SandboxProcess, client: stripe.StripeClient, when: str) -> None:
    sandbox.fault(path=SESSIONS, when=when, effect="garbage")
    with pytest.raises(stripe.APIError):
        open_session(client, "order-1")
    assert sessions_made(client) == (1 if when == "after" else 0)


def test_a_500_can_be_answered_without_storing_it(sandbox: SandboxProcess, client: stripe.StripeClient) -> None:
    sandbox.fault(path=SESSIONS, when="after", effect="answer", status=500, stored=False)
    with pytest.raises(stripe.APIError):
        open_session(client, "order-1")
    assert open_session(client, "order-1").status == "open"
    assert sessions_made(client) == 1


def test_a_fault_can_answer_with_a_given_body(sandbox: SandboxProcess, client: stripe.StripeClient) -> None:
    body = {"error": {"type": "invalid_request_error", "code": "account_closed", "message": "Closed."}}
    sandbox.fault(effect="answer", status=400, body=body)
    with pytest.raises(stripe.InvalidRequestError, match="Closed") as refused:
        client.v1.customers.list()
    assert refused.value.code == "account_closed"


def test_the_library_retries_until_the_faults_are_used_up(sandbox: SandboxProcess) -> None:
    sandbox.fault(path=SESSIONS, when="after", effect="drop")
    sandbox.fault(path=SESSIONS, effect="answer", status=503)
    patient = sandbox.client(retries=3)
    session = open_session(patient)
    assert [each.id for each in patient.v1.checkout.sessions.list().data] == [session.id]


def test_fault_hits_by_route_method_key_and_count(sandbox: SandboxProcess, client: stripe.StripeClient) -> None:
    sandbox.fault(
        method="POST", path="/v1/c*", idempotency_key="order-*", effect="answer", status=429, skip=1, count=2
    )
    client.v1.customers.create({}, {"idempotency_key": "other"})
    client.v1.customers.list()
    client.v1.customers.create({}, {"idempotency_key": "order-1"})
    for number in (2, 3):
        with pytest.raises(stripe.RateLimitError):
            client.v1.customers.create({}, {"idempotency_key": f"order-{number}"})
    client.v1.customers.create({}, {"idempotency_key": "order-4"})
    assert sandbox.control("GET", "faults")[0]["hits"] == 2
    assert [each["fault"] is not None for each in sandbox.requests(method="POST", path="/v1/customers")] == [
        False,
        False,
        True,
        True,
        False,
    ]


def test_fault_without_count_lasts_until_it_is_removed(sandbox: SandboxProcess, client: stripe.StripeClient) -> None:
    identifier = sandbox.fault(effect="answer", status=503, count=None)
    for _ in range(3):
        with pytest.raises(stripe.APIError):
            client.v1.customers.list()
    sandbox.control("DELETE", f"faults/{identifier}")
    assert client.v1.customers.list().data == []
    sandbox.fault(effect="drop", count=None)
    sandbox.control("DELETE", "faults")
    assert client.v1.customers.list().data == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"effect": "explode"},
        {"when": "never"},
        {"color": "red"},
        {"id": "fault_1"},
        {"seconds": "x"},
        {"seconds": -1},
        {"count": True},
        {"path": None},
        {"status": 4.5},
    ],
)
def test_malformed_fault_is_refused(sandbox: SandboxProcess, wrong: dict[str, Any]) -> None:
    with pytest.raises(ControlRefused):
        sandbox.control("POST", "faults", wrong)
    assert sandbox.control("GET", "faults") == []
