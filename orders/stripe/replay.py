"""Reads from Stripe on behalf of dj-stripe, outside of transactions.

By itself dj-stripe fetches what an object refers to while it stores the object, with a transaction open. It also
keeps the secret key in a table, in plain text, to find out which account an object belongs to. `install` prevents
both: it routes dj-stripe's calls to `ReplayClient`, which answers only from answers that were read before. Where an
answer is missing, storing stops (`MissingAnswer`) and is rolled back, the answer is read with no transaction open,
and storing starts again. So dj-stripe

- never keeps a transaction open during a call;
- never sees a key, and stores none (a constraint refuses every row in the tables for keys);
- cannot change anything at Stripe, as some of its hooks do (Customer.purge, Session's metadata);
- cannot call Stripe except while an event is mirrored, not even from its own commands.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from http import HTTPStatus
from typing import Any, Self

import stripe
from djstripe.models.base import StripeModel

CONNECT_TIMEOUT_SECONDS = 3.05
READ_TIMEOUT_SECONDS = 12
# dj-stripe requires a key with each call. This one is never sent.
NO_KEY = "sk_test_nobodys"
# Mirroring an event reads about ten objects. The limit ends a list that never ends.
MAX_READS = 200
# A product's features serve entitlements, which are not used here: they are not read, and the list is empty.
_PRODUCT_FEATURES = ("/v1/products/", "/features")
_EMPTY_LIST = b'{"object": "list", "data": [], "has_more": false}'

_FAILURES_OF_EVERY_READ = (stripe.APIConnectionError, stripe.AuthenticationError, stripe.RateLimitError)

Answer = tuple[bytes, int, Mapping[str, str]]


class NotRead(Exception):
    """Stripe did not answer, or refused; nothing was stored. Stripe's text is left out: it may quote a key."""


class NoAnswer(NotRead):
    """Stripe is silent, or refuses the key or so many calls: it would not answer the next read either."""


class MissingAnswer(BaseException):
    """An answer is needed that was not read yet.

    It is not an Exception, because dj-stripe catches those in places and continues without the object.
    """

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.path = path


class RecordedAnswers:
    """Stripe's answers while one event is mirrored; each path is read once."""

    def __init__(self, *, secret_key: str, api_base: str) -> None:
        self._http = stripe.RequestsClient(timeout=(CONNECT_TIMEOUT_SECONDS, READ_TIMEOUT_SECONDS))
        self._stripe = stripe.StripeClient(
            secret_key, base_addresses={"api": api_base}, max_network_retries=0, http_client=self._http
        )
        self._answers: dict[str, Answer] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()  # type: ignore[no-untyped-call]

    @contextmanager
    def replayed(self) -> Iterator[None]:
        """Answers dj-stripe's calls from these answers, inside the context. Raises: MissingAnswer."""
        token = _current_answers.set(self)
        try:
            yield
        finally:
            _current_answers.reset(token)

    def find(self, path: str) -> Answer:
        """Finds the answer that was read. Raises: MissingAnswer."""
        if path.startswith(_PRODUCT_FEATURES[0]) and path.partition("?")[0].endswith(_PRODUCT_FEATURES[1]):
            return _EMPTY_LIST, HTTPStatus.OK, {}
        if path not in self._answers:
            raise MissingAnswer(path)
        return self._answers[path]

    def read(self, path: str) -> None:
        """Reads an answer from Stripe and keeps it, also where there is no such object. Raises: NotRead."""
        if len(self._answers) >= MAX_READS:
            raise NotRead(f"more than {MAX_READS} reads")
        try:
            answer = self._stripe.raw_request("get", path)
            self._answers[path] = (answer.body.encode(), answer.code, answer.headers)
        except stripe.InvalidRequestError as error:
            status = error.http_status or HTTPStatus.BAD_REQUEST
            self._answers[path] = ((error.http_body or "").encode(), status, error.headers or {})
        except stripe.StripeError as error:
            failure = NoAnswer if isinstance(error, _FAILURES_OF_EVERY_READ) else NotRead
            raise failure(f"{type(error).__name__} {error.http_status or ''}".strip()) from None


class ReplayClient(stripe.HTTPClient):
    """The default HTTP client of Stripe's library. It has no network: it answers from `RecordedAnswers`."""

    name = "replay"

    def request(
        self, method: str, url: str, headers: Mapping[str, str] | None, post_data: Any = None, **_: Any
    ) -> Any:
        answers = _current_answers.get()
        if answers is None or method != "get":
            raise RuntimeError(f"dj-stripe may only read, and only while an event is mirrored: {method} {url}")
        return answers.find(url.removeprefix(stripe.api_base))

    def close(self) -> None:
        """Does nothing: there is no connection."""


_current_answers: ContextVar[RecordedAnswers | None] = ContextVar("replayed", default=None)


def install() -> None:
    """Puts dj-stripe under the rules above; called once, at start-up."""
    stripe.default_http_client = ReplayClient()
    # dj-stripe would store the key to identify the account. There is one account, so it needs no identification.
    StripeModel._find_owner_account = classmethod(_no_account)  # type: ignore[assignment,method-assign]


def _no_account(cls: type[StripeModel], data: Any, api_key: str | None = None, livemode: bool | None = None) -> None:
    return None
