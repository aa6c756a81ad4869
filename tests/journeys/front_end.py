"""A front end of the service: it sends JSON, keeps a person's tokens, and refreshes them as front ends do."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Protocol

from django.core import mail
from django.test import Client

from tests.contract.api_process import ApiProcess
from tests.journeys.worker import run_worker

JSON = "application/json"
_CODE = re.compile(r"\b[0-9]{6}\b")


@dataclass(frozen=True, slots=True)
class Answer:
    """A response; numbers with decimals are Decimal, so that 5 and 5.0 differ."""

    status: int
    body: Any
    headers: Mapping[str, str]

    @property
    def code(self) -> str:
        return str(self.body["code"])


class Transport(Protocol):
    """Sends one request to the path below the server's root."""

    def __call__(self, method: str, path: str, body: Any, headers: Mapping[str, str]) -> Answer: ...


def in_this_process(**client_options: Any) -> Transport:
    """Returns a transport to the service of this process."""
    client = Client(raise_request_exception=False, enforce_csrf_checks=True, **client_options)

    def send(method: str, path: str, body: Any, headers: Mapping[str, str]) -> Answer:
        raw = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        response = client.generic(method, path, raw, content_type=JSON if raw else "", headers=headers)
        is_json = response.headers.get("Content-Type", "").split(";")[0] == JSON
        answered = json.loads(response.content, parse_float=Decimal) if is_json and response.content else None
        return Answer(response.status_code, answered, dict(response.headers))

    return send


def in_another_process(process: ApiProcess) -> Transport:
    """Returns a transport to a process that has settings of its own."""

    def send(method: str, path: str, body: Any, headers: Mapping[str, str]) -> Answer:
        return Answer(*process.call(method, path, body, {"Accept": JSON, **headers}))

    return send


@dataclass(slots=True, kw_only=True)
class FrontEnd:
    """One person's front end. `root` is the API's root, which API_PREFIX chooses."""

    send: Transport = field(default_factory=in_this_process)
    root: str = "/api/"
    token: str = ""
    refresh_token: str = ""
    user: dict[str, Any] = field(default_factory=dict)
    otp: str = ""  # the code of the authenticator app that was used to sign in

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        """Send a request; on a 401 refresh the tokens once and send it again, as the front ends do."""
        answer = self.call_once(method, path, body, headers)
        if answer.status == 401 and self.refresh_token and not path.startswith("auth/"):
            if not self.refresh():
                return answer
            answer = self.call_once(method, path, body, headers)
        return answer

    def get(self, path: str, **headers: str) -> Answer:
        return self.call("GET", path, **headers)

    def post(self, path: str, body: Any = None, **headers: str) -> Answer:
        return self.call("POST", path, body, **headers)

    def put(self, path: str, body: Any = None, **headers: str) -> Answer:
        return self.call("PUT", path, body, **headers)

    def delete(self, path: str, **headers: str) -> Answer:
        return self.call("DELETE", path, **headers)

    def read(self, path: str) -> Any:
        """Get what must be there: the body of a 200."""
        answer = self.get(path)
        assert answer.status == 200, f"{path}: {answer}"
        return answer.body

    # --- Identity -----------------------------------------------------------------------------------------
    def sign_in(self, email: str) -> "FrontEnd":
        """Sign in by the code that the worker mails."""
        asked = self.post("auth/magic-link", {"email": email})
        assert asked.status == 200, asked
        assert list(asked.body) == ["message"]
        self.keep(self.post("auth/verify", {"email": email, "code": newest_code(email.strip().lower())}))
        return self

    def keep(self, answer: Answer) -> None:
        """Keep the tokens of an answer to a sign-in or refresh."""
        assert answer.status == 200, answer
        assert set(answer.body) == {"token", "refresh_token", "user"}
        self.token, self.refresh_token = answer.body["token"], answer.body["refresh_token"]
        self.user = answer.body["user"]

    def refresh(self) -> bool:
        """Exchange the refresh token. Returns False if the session is over, and forgets its tokens."""
        answer = self.call_once("POST", "auth/refresh", {"refresh_token": self.refresh_token})
        if answer.status == 200:
            self.keep(answer)
            return True
        assert answer.status == 401, answer
        self.token = self.refresh_token = ""
        return False

    def call_once(self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None) -> Answer:
        """Send a request with the token as it is."""
        named = {name.replace("_", "-"): value for name, value in (headers or {}).items()}
        identity = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        return self.send(method, f"{self.root}{path}", body, {**identity, **named})


def newest_code(address: str) -> str:
    """Run the worker, and return the newest code that was mailed to the address. Other mails come after it."""
    run_worker()
    found = [_CODE.search(str(each.body)) for each in mail.outbox if each.to == [address]]
    return [each.group() for each in found if each][-1]
