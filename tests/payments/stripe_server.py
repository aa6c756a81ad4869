"""Run the Stripe sandbox as a process on a free port, and control it over HTTP."""

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
TIMEOUT_SECONDS = 30
PAGE_SIZE = 100

Object = dict[str, Any]
# The lists of the kinds of object to which others refer, by the beginning of an id.
REFERRED = {
    "ch": "charges",
    "cus": "customers",
    "in": "invoices",
    "pi": "payment_intents",
    "pm": "payment_methods",
    "sub": "subscriptions",
}


@dataclass(frozen=True, slots=True)
class Stripe:
    """A running sandbox: reads its objects by the public API, and acts on them by the control API."""

    url: str

    # --- Reading objects ----------------------------------------------------------------------------------
    def all(self, kind: str, **filters: str) -> list[Object]:
        """Every object of one list of the API, such as `checkout/sessions`, oldest first."""
        found: list[Object] = []
        after: dict[str, str] = {}
        while True:
            query = urlencode({**filters, **after, "limit": str(PAGE_SIZE)})
            page = self._call("GET", f"/v1/{kind}?{query}", key=SECRET_KEY)
            found += page["data"]
            if not page["has_more"]:
                return found[::-1]
            after = {"starting_after": found[-1]["id"]}

    def get(self, path: str) -> Object:
        """One object by its path, such as `subscriptions/sub_1`."""
        found: Object = self._call("GET", f"/v1/{path}", key=SECRET_KEY)
        return found

    def find(self, identifier: str) -> Object | None:
        """The object of an id that Stripe's objects refer to; None where it was deleted."""
        return self.get(f"{REFERRED[identifier.partition('_')[0]]}/{identifier}")

    def sessions(self) -> list[Object]:
        return self.all("checkout/sessions")

    def subscriptions(self) -> list[Object]:
        return self.all("subscriptions", status="all")

    def charges(self) -> list[Object]:
        return self.all("charges")

    def events(self) -> list[Object]:
        return self.all("events")

    # --- Acting on the sandbox ----------------------------------------------------------------------------
    def do(self, path: str, /, **body: Any) -> Any:
        """Call the control API and return its answer."""
        return self._call("POST", f"/_sandbox/{path}", body=body)

    def fault(self, **switch: Any) -> None:
        """Switch a fault on."""
        self.do("faults", **switch)

    def heal(self) -> None:
        """Switch every fault off."""
        self._call("DELETE", "/_sandbox/faults")

    def reset(self) -> None:
        """Delete everything but the key that the sandbox was started with."""
        self.do("reset")

    def pay(self, session_id: str) -> None:
        """Pay a session by card, as the customer."""
        self.do(f"sessions/{session_id}/pay")

    def delete(self, path: str) -> None:
        """Delete or cancel an object, such as `subscriptions/sub_1`, as staff do in Stripe's dashboard."""
        self._call("DELETE", f"/v1/{path}", key=SECRET_KEY)

    def pay_invoice(self, invoice_id: str) -> None:
        """Pay an open invoice, as the customer."""
        self._call("POST", f"/v1/invoices/{invoice_id}/pay", key=SECRET_KEY)

    def requests(self, *, after: int = 0, method: str = "*", path: str = "*") -> list[Object]:
        """The service's requests to the API, oldest first, without the requests of the tests."""
        query = urlencode({"after": after, "method": method, "path": path})
        requests: list[Object] = self._call("GET", f"/_sandbox/requests?{query}")
        return [each for each in requests if each["stripe_version"]]

    def attempts(self) -> list[Object]:
        """Every attempt to deliver an event, oldest first."""
        attempts: list[Object] = self._call("GET", "/_sandbox/attempts")
        return attempts

    def _call(self, method: str, path: str, *, body: Object | None = None, key: str = "") -> Any:
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        data = None if body is None else json.dumps(body).encode()
        request = Request(f"{self.url}{path}", data=data, headers=headers, method=method)
        with urlopen(request, timeout=TIMEOUT_SECONDS) as answer:
            return json.load(answer)


@contextmanager
def running_stripe() -> Iterator[Stripe]:
    """Start the sandbox. It stops with the block, or with this process."""
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
        process.wait(TIMEOUT_SECONDS)
        process.stdout.close()
