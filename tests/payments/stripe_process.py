"""The Stripe sandbox as a process on a free port, and what a test does to it over HTTP."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode
from urllib.request import Request, urlopen

from tests.database import PROJECT

SECRET_KEY = "sk_test_PaymentsFirstKeyOfTheTests01"
WEBHOOK_SECRET = "whsec_PaymentsFirstSecretOfTheTests01"
PATIENCE_SECONDS = 30
PAGE = 100

Object = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Stripe:
    """The sandbox: what it holds, read by its own API, and its switches."""

    url: str

    # --- What it holds ------------------------------------------------------------------------------------
    def all(self, kind: str, **wanted: str) -> list[Object]:
        """Every object of a list of the API, oldest first; kind such as `checkout/sessions`."""
        found: list[Object] = []
        after: dict[str, str] = {}
        while True:
            query = urlencode({**wanted, **after, "limit": str(PAGE)})
            page = self._call("GET", f"/v1/{kind}?{query}", key=SECRET_KEY)
            found += page["data"]
            if not page["has_more"]:
                return found[::-1]
            after = {"starting_after": found[-1]["id"]}

    def get(self, path: str) -> Object:
        """One object by its path, such as `subscriptions/sub_1`."""
        found: Object = self._call("GET", f"/v1/{path}", key=SECRET_KEY)
        return found

    def sessions(self) -> list[Object]:
        return self.all("checkout/sessions")

    def subscriptions(self) -> list[Object]:
        return self.all("subscriptions", status="all")

    def charges(self) -> list[Object]:
        return self.all("charges")

    def events(self) -> list[Object]:
        return self.all("events")

    # --- What is done to it -------------------------------------------------------------------------------
    def do(self, path: str, /, **body: Any) -> Any:
        """A call of the control surface."""
        return self._call("POST", f"/_sandbox/{path}", body=body)

    def fault(self, **switch: Any) -> None:
        """Turns a fault on."""
        self.do("faults", **switch)

    def heal(self) -> None:
        """Turns every fault off."""
        self._call("DELETE", "/_sandbox/faults")

    def reset(self) -> None:
        """Forgets everything but the key of the start."""
        self.do("reset")

    def pay(self, session_id: str) -> None:
        """The customer pays by card."""
        self.do(f"sessions/{session_id}/pay")

    def delete(self, path: str) -> None:
        """Staff delete or cancel an object in Stripe's dashboard, by its path, such as `subscriptions/sub_1`."""
        self._call("DELETE", f"/v1/{path}", key=SECRET_KEY)

    def pay_invoice(self, invoice_id: str) -> None:
        """The customer pays an open invoice by hand."""
        self._call("POST", f"/v1/invoices/{invoice_id}/pay", key=SECRET_KEY)

    def requests(self, *, after: int = 0, method: str = "*", path: str = "*") -> list[Object]:
        """What the API was asked, oldest first; the tests' own reading is left out."""
        query = urlencode({"after": after, "method": method, "path": path})
        told: list[Object] = self._call("GET", f"/_sandbox/requests?{query}")
        return [each for each in told if each["stripe_version"]]

    def attempts(self) -> list[Object]:
        """Every delivery of an event that was tried, oldest first."""
        told: list[Object] = self._call("GET", "/_sandbox/attempts")
        return told

    def _call(self, method: str, path: str, *, body: Object | None = None, key: str = "") -> Any:
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        data = None if body is None else json.dumps(body).encode()
        asked = Request(f"{self.url}{path}", data=data, headers=headers, method=method)
        with urlopen(asked, timeout=PATIENCE_SECONDS) as answer:
            return json.load(answer)


@contextmanager
def stripe_process() -> Iterator[Stripe]:
    """Starts the sandbox; it ends with the block, or with this process."""
    environment = {**os.environ, "DEBUG": "1", "STRIPE_SANDBOX_SECRET_KEY": SECRET_KEY}
    process = subprocess.Popen(
        [sys.executable, "-m", "config.devtools.stripe_sandbox", "--port", "0", "--stop-with-stdin"],
        cwd=PROJECT,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None and process.stdin is not None
    try:
        line = process.stdout.readline()
        assert "ready at " in line, f"the sandbox said {line!r}"
        yield Stripe(line.split("ready at ")[1].strip())
    finally:
        process.stdin.close()
        process.wait(PATIENCE_SECONDS)
        process.stdout.close()
