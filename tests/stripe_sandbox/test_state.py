"""The stored state survives `kill -9` at any moment and a restart, without half-done requests."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import stripe

from tests.stripe_sandbox.create_sessions import open_session
from tests.stripe_sandbox.sandbox_process import SandboxProcess
from tests.stripe_sandbox.webhook_receiver import Receiver


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "new" / "state.sqlite"


def test_everything_is_there_after_kill_9(state: Path) -> None:
    with Receiver() as receiver, SandboxProcess(state=state, webhook_url=receiver.url) as sandbox:
        client = sandbox.client()
        sandbox.control("POST", "webhooks", {"automatic": False})
        sandbox.control("POST", "keys", {"secret_key": "sk_test_51AddedLater000000000000"})
        sandbox.control("POST", "cards", {"behaviour": "declines"})
        sandbox.control("POST", "clock", {"seconds": 100})
        sandbox.fault(effect="answer", status=429, path="/v1/refunds")
        session = open_session(client, "order-1")
        sandbox.session(session.id, "pay")
        events = [event["id"] for event in sandbox.events()]
        sandbox.kill()
        sandbox.start()
        assert client.v1.checkout.sessions.retrieve(session.id).status == "complete"
        assert open_session(client, "order-1").id == session.id
        assert len(client.v1.checkout.sessions.list().data) == 1
        assert [event["id"] for event in sandbox.events()] == events
        assert sandbox.client("sk_test_51AddedLater000000000000").v1.charges.list().data[0].amount == 15_000
        answer = sandbox.control("GET", "clock")
        assert answer["billing"] - answer["api"] == 100
        with pytest.raises(stripe.RateLimitError):
            client.v1.refunds.list()
        assert receiver.deliveries == []
        sandbox.control("POST", "webhooks/flush")
        assert [each.verify().id for each in receiver.deliveries] == events
        sandbox.control("POST", "clock", {"months": 1})
        assert client.v1.subscriptions.list().data[0].status == "past_due"
        assert sandbox.stop() == 0
        assert sandbox.error_output() == ""


def test_key_whose_request_was_killed_is_free_again(state: Path) -> None:
    with SandboxProcess(state=state) as sandbox:
        client = sandbox.client()
        sandbox.fault(method="POST", path="/v1/checkout/sessions", when="before", effect="delay", seconds=60)
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(open_session, client, "order-1")
            while not sandbox.control("GET", "faults")[0]["hits"]:
                pass
            sandbox.kill()
            assert isinstance(waiting.exception(), stripe.APIConnectionError)
        sandbox.start()
        assert client.v1.checkout.sessions.list().data == []
        first = open_session(client, "order-1")
        assert [each.id for each in client.v1.checkout.sessions.list().data] == [first.id]


def test_kill_after_executing_leaves_the_answer_for_the_key(state: Path) -> None:
    with SandboxProcess(state=state) as sandbox:
        client = sandbox.client()
        sandbox.fault(method="POST", path="/v1/checkout/sessions", when="after", effect="delay", seconds=60)
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(open_session, client, "order-1")
            while not client.v1.checkout.sessions.list().data:
                pass
            sandbox.kill()
            assert isinstance(waiting.exception(), stripe.APIConnectionError)
        sandbox.start()
        resumed = open_session(client, "order-1")
        assert resumed.last_response is not None
        assert resumed.last_response.headers["Idempotent-Replayed"] == "true"
        assert [each.id for each in client.v1.checkout.sessions.list().data] == [resumed.id]


def test_two_sandboxes_do_not_share_a_file(state: Path) -> None:
    with SandboxProcess(state=state):
        with pytest.raises(AssertionError, match="Is another sandbox using it"):
            SandboxProcess(state=state).__enter__()


def test_webhook_address_of_the_new_start_counts(state: Path) -> None:
    with Receiver() as first, Receiver() as second, SandboxProcess(state=state, webhook_url=first.url) as sandbox:
        sandbox.control("POST", "webhooks", {"automatic": False})
        sandbox.client().v1.customers.create({})
        sandbox.stop()
        sandbox.webhook_url = second.url
        sandbox.start()
        sandbox.control("POST", "webhooks/flush")
        assert (len(first.deliveries), len(second.deliveries)) == (0, 1)


def test_parallel_clients_lose_nothing(sandbox: SandboxProcess, client: stripe.StripeClient) -> None:
    with ThreadPoolExecutor(16) as pool:
        made = {each.id for each in pool.map(lambda _: client.v1.customers.create({}), range(64))}
    assert {each.id for each in client.v1.customers.list({"limit": 100}).data} == made
    assert len(sandbox.events("customer.created")) == len(made) == 64


def test_one_session_pays_once_however_often_the_button_is_pressed(
    sandbox: SandboxProcess, client: stripe.StripeClient
) -> None:
    session = open_session(client)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: sandbox.request("POST", f"/c/pay/{session.id}", "action=pay"), range(8)))
    assert len(client.v1.charges.list().data) == 1
    assert len(sandbox.events("checkout.session.completed")) == 1
