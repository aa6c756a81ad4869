"""Start the sandbox as a process on a free port, kill it, start it again, and control it."""

import http.client
import json
import os
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Self
from urllib.parse import urlencode, urlsplit

import stripe

CHECKOUT = Path(__file__).resolve().parents[2]
SECRET_KEY = "sk_test_51SandboxTests0000000000"
WEBHOOK_SECRET = "whsec_sandbox_tests"
READY = "Stripe sandbox ready at "
TIMEOUT_SECONDS = 20


@dataclass(frozen=True)
class Answer:
    """The answer to a raw request."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        """The body, parsed."""
        return json.loads(self.body)

    @property
    def text(self) -> str:
        """The body, as text."""
        return self.body.decode()


class ControlRefused(AssertionError):
    """The sandbox refused a control call."""


class SandboxProcess:
    """One sandbox. `state` keeps its data over `kill` and `start`; the port stays the same over both."""

    def __init__(
        self,
        *,
        state: Path | None = None,
        secret_keys: tuple[str, ...] = (SECRET_KEY,),
        webhook_url: str | None = None,
        webhook_secret: str = WEBHOOK_SECRET,
        port: int = 0,
    ) -> None:
        self.state = state
        self.secret_keys = secret_keys
        self.webhook_url = webhook_url
        self.webhook_secret = webhook_secret
        self.port = port
        self._process: subprocess.Popen[bytes] | None = None
        self._error_file: IO[bytes] = tempfile.TemporaryFile()

    # --- Start and stop -----------------------------------------------------------------------------------
    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *reason: object) -> None:
        self.stop()
        self._error_file.close()

    def start(self) -> Self:
        """Start it and wait until it answers."""
        command = [sys.executable, "-m", "config.devtools.stripe_sandbox", f"--port={self.port}", "--stop-with-stdin"]
        if self.state:
            command.append(f"--state={self.state}")
        environment = {name: value for name, value in os.environ.items() if not name.startswith("STRIPE_")}
        environment |= {"DEBUG": "1", "STRIPE_SANDBOX_SECRET_KEY": ",".join(self.secret_keys)}
        if self.webhook_url:
            environment["STRIPE_SANDBOX_WEBHOOK_URL"] = self.webhook_url
            environment["STRIPE_SANDBOX_WEBHOOK_SECRET"] = self.webhook_secret
        self._process = subprocess.Popen(
            command,
            cwd=CHECKOUT,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._error_file,
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline().decode().strip()
        if not line.startswith(READY):
            self.stop()
            error_output = self.error_output()
            self._error_file.close()
            raise AssertionError(f"The sandbox did not start: {error_output}")
        port = urlsplit(line.removeprefix(READY)).port
        assert port is not None
        self.port = port
        assert self.control("GET", "health") == {"ok": True}
        return self

    def kill(self) -> None:
        """`kill -9`."""
        assert self._process is not None
        self._process.kill()
        self._ended()

    def stop(self, by: signal.Signals = signal.SIGTERM) -> int | None:
        """Ask it to stop; returns its exit status, None where it does not run."""
        if self._process is None:
            return None
        self._process.send_signal(by)
        return self._ended()

    def _ended(self) -> int:
        assert self._process is not None
        status = self._process.wait(TIMEOUT_SECONDS)
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe:
                pipe.close()
        self._process = None
        return status

    def error_output(self) -> str:
        """The text that it wrote to its standard error: empty, unless it failed."""
        self._error_file.seek(0)
        return self._error_file.read().decode()

    # --- Requests -----------------------------------------------------------------------------------------
    @property
    def url(self) -> str:
        """The address of the sandbox."""
        return f"http://127.0.0.1:{self.port}"

    def client(
        self, key: str = SECRET_KEY, *, retries: int = 0, timeout: float = TIMEOUT_SECONDS
    ) -> stripe.StripeClient:
        """The official library, pointed at it."""
        return stripe.StripeClient(
            key,
            base_addresses={"api": self.url},
            max_network_retries=retries,
            http_client=stripe.RequestsClient(timeout=timeout),
        )

    def request(
        self,
        method: str,
        path: str,
        body: str | bytes = b"",
        headers: dict[str, str] | None = None,
    ) -> Answer:
        """A raw request. Redirects are not followed."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=TIMEOUT_SECONDS)
        try:
            connection.request(method, path, body or None, headers or {})
            response = connection.getresponse()
            return Answer(response.status, dict(response.getheaders()), response.read())
        finally:
            connection.close()

    def api(self, method: str, path: str, form: str = "", **headers: str) -> Answer:
        """A raw request to Stripe's API; `Idempotency_Key=` becomes the header of that name."""
        sent = {"Authorization": f"Bearer {SECRET_KEY}"}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        return self.request(method, path, form, sent)

    def control(self, method: str, path: str, body: dict[str, Any] | None = None, /, **query: Any) -> Any:
        """A control call that must succeed."""
        address = f"/_sandbox/{path}{f'?{urlencode(query)}' if query else ''}"
        answer = self.request(method, address, json.dumps(body or {}))
        if answer.status != http.client.OK:
            raise ControlRefused(answer.text)
        return answer.json()

    def reset(self) -> None:
        """Forget everything."""
        self.control("POST", "reset")

    def fault(self, **fields: Any) -> str:
        """Turn a fault on; returns its id."""
        identifier: str = self.control("POST", "faults", fields)["id"]
        return identifier

    def session(self, identifier: str, action: str) -> Any:
        """Let the customer, or the bank, act on a session."""
        return self.control("POST", f"sessions/{identifier}/{action}")

    def requests(self, **query: Any) -> list[dict[str, Any]]:
        """The request log."""
        logged: list[dict[str, Any]] = self.control("GET", "requests", None, **query)
        return logged

    def events(self, *kinds: str) -> list[dict[str, Any]]:
        """The events of these types, or all, oldest first."""
        listed = self.api("GET", "/v1/events?limit=100").json()["data"]
        return [each for each in reversed(listed) if not kinds or each["type"] in kinds]
