"""One sandbox process for all tests of the sandbox, empty before each; a webhook receiver beside it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import stripe

from tests.stripe_sandbox.sandbox_process import SandboxProcess
from tests.stripe_sandbox.webhook_receiver import Receiver


@pytest.fixture(scope="session")
def running_receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


@pytest.fixture(scope="session")
def running_sandbox(tmp_path_factory: pytest.TempPathFactory, running_receiver: Receiver) -> Iterator[SandboxProcess]:
    state: Path = tmp_path_factory.mktemp("stripe") / "state.sqlite"
    with SandboxProcess(state=state, webhook_url=running_receiver.url) as process:
        yield process


@pytest.fixture
def quiet_receiver(running_receiver: Receiver) -> Receiver:
    """The receiver, while nothing is delivered to it unasked."""
    running_receiver.clear()
    return running_receiver


@pytest.fixture
def sandbox(running_sandbox: SandboxProcess, quiet_receiver: Receiver) -> Iterator[SandboxProcess]:
    """An empty sandbox that delivers events only on flush. Fails the test if the sandbox itself failed."""
    running_sandbox.reset()
    running_sandbox.control("POST", "webhooks", {"automatic": False})
    quiet_receiver.clear()
    yield running_sandbox
    assert running_sandbox.error_output() == ""


@pytest.fixture
def receiver(sandbox: SandboxProcess, quiet_receiver: Receiver) -> Receiver:
    """Receives the sandbox's webhooks."""
    return quiet_receiver


@pytest.fixture
def client(sandbox: SandboxProcess) -> stripe.StripeClient:
    """The official library, pointed at the sandbox."""
    return sandbox.client()
