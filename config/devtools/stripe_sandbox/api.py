"""Handles a request to `/v1/...`: secret key, faults, idempotency, parameters, execution and response.

One transaction first runs the timers that are due, then executes the request and stores the answer for its
idempotency key. Any number of requests can wait at the same time, but only one executes at a time.
"""

import base64
import binascii
import hashlib
import json
import re
import sys
import threading
import time
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field

from config.devtools.stripe_sandbox.faults import Fault, Faults
from config.devtools.stripe_sandbox.protocol import endpoints, forms
from config.devtools.stripe_sandbox.protocol.errors import StripeError, bad_key, invalid, no_key, no_route
from config.devtools.stripe_sandbox.protocol.expansion import expand_paths
from config.devtools.stripe_sandbox.protocol.idempotency import Kept, Keys
from config.devtools.stripe_sandbox.protocol.shapes import Shapes
from config.devtools.stripe_sandbox.store import Object
from config.devtools.stripe_sandbox.world import API_VERSION, Call, World, new_id, public

OK = 200
_VERSION = re.compile(r"\d{4}-\d{2}-\d{2}(\.[a-z]+)?")
# The form of real keys, which clients check too (dj-stripe does).
_SECRET_KEY = re.compile(r"(sk|rk)_test_[A-Za-z0-9]{24,99}")


@dataclass(frozen=True)
class Request:
    """An HTTP request. `text` is the body of a POST, or the query string of any other method."""

    method: str
    path: str
    text: str
    headers: Mapping[str, str]


@dataclass(frozen=True)
class Reply:
    """An HTTP response. `cut` sends half of it and closes the connection."""

    status: int
    body: str
    headers: dict[str, str] = field(default_factory=dict)
    cut: bool = False


def check_secret_key(key: str) -> str:
    """Return the key if it is a test-mode key.

    Raises: StripeError for any other key, such as a live one.
    """
    if not _SECRET_KEY.fullmatch(key):
        raise invalid(
            "A secret key of the sandbox is sk_test_ or rk_test_ and 24 to 99 letters and digits.", param="secret_key"
        )
    return key


def fingerprint_key(key: str) -> Object:
    """Return what is stored of a key: enough to recognise it, not enough to use it."""
    return {"hash": hashlib.sha256(key.encode()).hexdigest(), "last4": key[-4:]}


class _Stopped(Exception):
    """The sandbox stopped while a request was waiting."""


class Api:
    """Stripe's API."""

    def __init__(self, world: World, stopping: threading.Event) -> None:
        self.world = world
        self.store = world.store
        self.faults = Faults(world.store)
        self.keys = Keys(world)
        self._stopping = stopping

    def serve(self, request: Request) -> Reply | None:
        """Handle a request and log it. None means that the connection closes without an answer."""
        request_id = new_id("req")
        facts: Object = {
            "at": time.time(),
            "id": request_id,
            "idempotency_key": request.headers.get("Idempotency-Key"),
            "method": request.method,
            "path": request.path,
            "stripe_version": request.headers.get("Stripe-Version"),
            "parameters": None,
            "secret_key_last4": None,
            "fault": None,
            "replayed": False,
            "status": None,
        }
        number = self.store.log_request(facts)
        try:
            reply = self._serve(request, request_id, facts)
        except StripeError as error:
            reply = Reply(error.status, json.dumps(error.body, indent=2), {})
        except _Stopped:
            return None
        if reply is not None:
            facts["status"] = reply.status
            facts["replayed"] = "Idempotent-Replayed" in reply.headers
        self.store.amend_request(number, facts)
        return self._with_headers(reply, request, request_id)

    def _serve(self, request: Request, request_id: str, facts: Object) -> Reply | None:
        facts["secret_key_last4"] = self._authenticate(request)[-4:]
        given = forms.decode(request.text)
        facts["parameters"] = forms.readable(given)
        version = request.headers.get("Stripe-Version", API_VERSION)
        if not _VERSION.fullmatch(version):
            raise invalid(f"Invalid Stripe API version: {version}")
        found = endpoints.find(request.method, request.path)
        if found is None:
            raise no_route(request.method, request.path)
        key = request.headers.get("Idempotency-Key", "") if request.method == "POST" else ""
        with self.keys.claim(key):
            with self.store.transaction():
                fault = self.faults.take(request.method, request.path, key)
            facts["fault"] = fault.id if fault else None
            call = Call(given, request_id, key or None)
            if fault and fault.when == "before":
                self._wait(fault.seconds)
                if fault.effect == "drop":
                    return None
                if fault.answers:
                    return self._answer_instead(fault, request, call)
            reply = self._execute(request, found, call, fault if fault and fault.when == "after" else None)
        return self._hand_over(reply, fault)

    def _hand_over(self, reply: Reply, fault: Fault | None) -> Reply | None:
        """Apply the fault, if any, to the answer of an executed request."""
        if fault is None:
            return reply
        if fault.when == "after":
            self._wait(fault.seconds)
        if fault.effect == "drop":
            return None
        if fault.effect == "cut":
            return Reply(reply.status, reply.body, reply.headers, cut=True)
        if fault.answers:
            return Reply(fault.status, fault.text())
        return reply

    def _wait(self, seconds: float) -> None:
        if self._stopping.wait(seconds):
            raise _Stopped

    def _authenticate(self, request: Request) -> str:
        scheme, _, credentials = request.headers.get("Authorization", "").partition(" ")
        key = credentials.strip()
        if scheme.lower() == "basic":
            try:
                key = base64.b64decode(key, validate=True).decode().partition(":")[0]
            except (binascii.Error, UnicodeDecodeError):
                key = ""
        if not key:
            raise no_key()
        if fingerprint_key(key)["hash"] not in [each["hash"] for each in self.store.setting("keys", [])]:
            raise bad_key(f"{key[:8]}{'*' * 8}{key[-4:]}" if len(key) > 12 else "****")  # noqa: PLR2004
        return key

    def _answer_instead(self, fault: Fault, request: Request, call: Call) -> Reply:
        """Answer with the fault before anything is executed. A fault of Stripe's own is stored for the key."""
        if fault.stored and call.idempotency_key:
            with self.store.transaction():
                kept = self.keys.kept(call.idempotency_key, request.path, call.given)
                if kept:
                    return _replayed(kept)
                answer = Kept(fault.status, fault.text(), call.request_id or "")
                self.keys.keep(call.idempotency_key, request.path, call.given, answer)
        return Reply(fault.status, fault.text())

    def _execute(
        self,
        request: Request,
        found: tuple[endpoints.Endpoint, tuple[str, ...]],
        call: Call,
        fault: Fault | None,
    ) -> Reply:
        """Execute the request, or repeat the answer that its idempotency key already has."""
        endpoint, names = found
        key = call.idempotency_key
        with self.store.transaction():
            self.world.run_due()
            kept = self.keys.kept(key, request.path, call.given) if key else None
            if kept:
                return _replayed(kept)
            read = endpoint.accepted.read(call.given)
            shapes = self._shapes_for(request)
            self.world.call = Call(read, call.request_id, key, shapes)
            try:
                status, body = self._run(endpoint, names, read)
            finally:
                self.world.call = Call()
            if key:
                stored = (fault.status, fault.text()) if fault and fault.answers and fault.stored else (status, body)
                self.keys.keep(key, request.path, call.given, Kept(*stored, call.request_id or ""))
        return Reply(status, body)

    def _shapes_for(self, request: Request) -> Shapes | None:
        """Return how the answers vary. A reader without a client library, such as a test, gets the plain ones."""
        seed = self.store.setting("shapes", None)
        return Shapes(seed, self._find) if seed is not None and "Stripe-Version" in request.headers else None

    def _find(self, identifier: str) -> Object | None:
        found = self.store.load(identifier)
        shown: Object | None = public(found) if found else None
        return shown

    def _run(self, endpoint: endpoints.Endpoint, names: tuple[str, ...], read: Object) -> tuple[int, str]:
        refusal = None
        try:
            with self.store.savepoint():
                try:
                    item = endpoints.answer(self.world, endpoint, names)
                    paths = read.get("expand", [])
                    answer = expand_paths(self.world, item, paths)
                    if shapes := self.world.call.shapes:
                        answer = shapes.vary_answer(answer, expanded=bool(paths))
                    return OK, json.dumps(answer, indent=2)
                except StripeError as error:
                    if not error.keeps_changes:
                        raise
                    refusal = error
        except StripeError as error:
            refusal = error
        except Exception:  # noqa: BLE001 - a bug of the sandbox must be answered and printed
            traceback.print_exc(file=sys.stderr)
            refusal = StripeError("The sandbox has failed; see its output.", status=500, kind="api_error")
        return refusal.status, json.dumps(refusal.body, indent=2)

    def _with_headers(self, reply: Reply | None, request: Request, request_id: str) -> Reply | None:
        if reply is None:
            return None
        headers = {
            "Content-Type": "application/json",
            "Request-Id": request_id,
            "Stripe-Version": request.headers.get("Stripe-Version", API_VERSION),
            **reply.headers,
        }
        if key := request.headers.get("Idempotency-Key"):
            headers["Idempotency-Key"] = key
        return Reply(reply.status, reply.body, headers, reply.cut)


def _replayed(kept: Kept) -> Reply:
    return Reply(kept.status, kept.body, {"Idempotent-Replayed": "true", "Original-Request": kept.request_id})
