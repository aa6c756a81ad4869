"""Reads from Stripe for dj-stripe, outside of transactions and with the keys of the moment.

While dj-stripe stores an object it fetches what the object refers to, with a transaction open, and it finds out whose
the object is by keeping the secret key in a table, readable. Neither happens here. `install` makes dj-stripe's calls
go through `ReplayClient`, which answers only with what was read before. Where something is missing the storing stops
(`Unread`) and is rolled back, the answer is read with no transaction open, and the storing starts again. So dj-stripe

- never keeps a transaction open over a call;
- never sees a key, and stores none (the tables for keys refuse every row, by constraint);
- cannot change anything at Stripe: some of its hooks do (Customer.purge, Session's metadata);
- cannot call Stripe at all but for a mirroring: not from its commands, nor from anywhere else.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from http import HTTPStatus
from typing import Any, Self

import stripe
from djstripe.models.base import StripeModel

CONNECT_SECONDS = 3.05
ANSWER_SECONDS = 12
# The key that dj-stripe is given to hand on; it is sent to nobody.
NO_KEY = "sk_test_nobodys"
# One mirroring asks for about ten objects; a list without end must not go on for ever.
MAX_READS = 200
# Features of products are for entitlements, which are not used: nothing is read, and none are found.
_PRODUCT_FEATURES = ("/v1/products/", "/features")
_EMPTY_LIST = b'{"object": "list", "data": [], "has_more": false}'

Answer = tuple[bytes, int, Mapping[str, str]]


class NotRead(Exception):
    """Stripe could not be asked, or refused; nothing was stored. What Stripe said is left out: it may quote a key."""


class Unread(BaseException):
    """Something is needed that was not read yet.

    Not an Exception, because dj-stripe catches those here and there and goes on without the object.
    """

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.path = path


class Answers:
    """What Stripe said in one mirroring. Read answers stay the same until a new one is begun."""

    def __init__(self, *, secret_key: str, api_base: str) -> None:
        self._http = stripe.RequestsClient(timeout=(CONNECT_SECONDS, ANSWER_SECONDS))
        self._stripe = stripe.StripeClient(
            secret_key, base_addresses={"api": api_base}, max_network_retries=0, http_client=self._http
        )
        self._read: dict[str, Answer] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()  # type: ignore[no-untyped-call]

    @contextmanager
    def replayed(self) -> Iterator[None]:
        """Inside, dj-stripe's calls get these answers. Raises: Unread."""
        token = _replayed.set(self)
        try:
            yield
        finally:
            _replayed.reset(token)

    def find(self, path: str) -> Answer:
        """The answer that was read. Raises: Unread."""
        if path.startswith(_PRODUCT_FEATURES[0]) and path.partition("?")[0].endswith(_PRODUCT_FEATURES[1]):
            return _EMPTY_LIST, HTTPStatus.OK, {}
        if path not in self._read:
            raise Unread(path)
        return self._read[path]

    def read(self, path: str) -> None:
        """Asks Stripe. That there is no such object is an answer like another. Raises: NotRead."""
        if len(self._read) >= MAX_READS:
            raise NotRead(f"more than {MAX_READS} reads")
        try:
            answer = self._stripe.raw_request("get", path)
            self._read[path] = (answer.body.encode(), answer.code, answer.headers)
        except stripe.InvalidRequestError as error:
            status = error.http_status or HTTPStatus.BAD_REQUEST
            self._read[path] = ((error.http_body or "").encode(), status, error.headers or {})
        except stripe.StripeError as error:
            raise NotRead(f"{type(error).__name__} {error.http_status or ''}".strip()) from None


class ReplayClient(stripe.HTTPClient):
    """Stripe's HTTP client for everything that brings none of its own: it has no network."""

    name = "replay"

    def request(
        self, method: str, url: str, headers: Mapping[str, str] | None, post_data: Any = None, **_: Any
    ) -> Any:
        answers = _replayed.get()
        if answers is None or method != "get":
            raise RuntimeError(f"dj-stripe may only read, and only for a mirroring: {method} {url}")
        return answers.find(url.removeprefix(stripe.api_base))

    def close(self) -> None:
        """There is nothing to close."""


_replayed: ContextVar[Answers | None] = ContextVar("replayed", default=None)


def install() -> None:
    """Puts dj-stripe under the rules above; called once, when it starts."""
    stripe.default_http_client = ReplayClient()
    # It would keep the key to know the account by. There is one account, and its name is of no use here.
    StripeModel._find_owner_account = classmethod(_no_account)  # type: ignore[assignment,method-assign]


def _no_account(cls: type[StripeModel], data: Any, api_key: str | None = None, livemode: bool | None = None) -> None:
    return None
