"""The keys that an identity provider publishes, which this process keeps.

A request fetches them when they are old, or when a token names a key that is not among them. Meanwhile other requests
go on with the keys that are known, so a slow provider holds up few of them. A new key is known with the first token
that it signed, or a second later if an unknown key was looked up just before.
"""

import math
import time
from threading import Lock, Semaphore

import jwt
import structlog
from jwt.api_jwk import PyJWK
from jwt.exceptions import PyJWKClientConnectionError, PyJWKClientError, PyJWTError

logger = structlog.get_logger(__name__)

KEYS_TIMEOUT_SECONDS = 3
KEYS_FRESH_SECONDS = 300
# How long the last known keys are used while the provider cannot be reached.
KEYS_STALE_SECONDS = 3600
# After a failed fetch the next one waits so long, so that requests do not queue up behind a provider that is down.
KEYS_RETRY_SECONDS = 5
# After a fetch that did not find the wanted key: anyone can invent key ids.
KEYS_UNKNOWN_SECONDS = 1
# How long a request that needs an unknown key waits for another one's fetch, and how many may wait at a time: half of
# the threads of a process, so that invented key ids do not occupy all of them.
KEYS_WAIT_SECONDS = 0.5
MAX_WAITING = 8


class ProviderKeys:
    """The keys of one address, shared by all threads."""

    def __init__(self, url: str) -> None:
        headers = {"Accept": "application/json"}
        self._client = jwt.PyJWKClient(url, cache_jwk_set=False, timeout=KEYS_TIMEOUT_SECONDS, headers=headers)
        self._fetching = Lock()
        self._waiting = Semaphore(MAX_WAITING)
        # The moment and the keys of the last fetch, replaced together.
        self._last: tuple[float, dict[str | None, PyJWK]] = (-math.inf, {})
        self._not_before = -math.inf
        self._is_away = False

    def find(self, kid: object) -> PyJWK:
        """Returns the key with this id.

        Raises: PyJWKClientError where the provider has no such key, or had none within the last second;
        PyJWKClientConnectionError where it does not answer, so that the client should try again.
        """
        if not isinstance(kid, str) or not kid:
            raise PyJWKClientError("the token names no key")
        if key := self._known(kid, KEYS_FRESH_SECONDS):
            return key
        old = self._known(kid, KEYS_STALE_SECONDS)
        # Races with other requests that find the keys old. They use the old key, and only wait for an unknown one.
        if self._fetching.acquire(blocking=False) or (not old and self._wait()):
            try:
                return self._fetch(kid)
            except PyJWKClientConnectionError:
                if not old:
                    raise
            finally:
                self._fetching.release()
        if not old:
            raise PyJWKClientConnectionError("another request waits for the keys")
        return old

    def _wait(self) -> bool:
        """Waits for another request's fetch. Returns whether this one may fetch now."""
        if not self._waiting.acquire(blocking=False):
            return False
        try:
            return self._fetching.acquire(timeout=KEYS_WAIT_SECONDS)
        finally:
            self._waiting.release()

    def _known(self, kid: str, seconds: float) -> PyJWK | None:
        fetched_at, keys = self._last
        return keys.get(kid) if time.monotonic() - fetched_at < seconds else None

    def _fetch(self, kid: str) -> PyJWK:
        # Another request may have fetched while this one waited.
        if key := self._known(kid, KEYS_FRESH_SECONDS):
            return key
        if time.monotonic() < self._not_before:
            if self._is_away:
                raise PyJWKClientConnectionError("the last fetch failed just now")
            raise PyJWKClientError("the provider had no such key just now")
        try:
            keys = {key.key_id: key for key in self._client.get_signing_keys()}
        except (PyJWTError, ValueError, OSError) as error:
            # This includes an answer that is not a key set, such as a proxy's error page.
            self._not_before, self._is_away = time.monotonic() + KEYS_RETRY_SECONDS, True
            logger.error("identity_provider_unavailable", error=type(error).__name__)
            raise PyJWKClientConnectionError(str(error)) from error
        self._last, self._is_away = (time.monotonic(), keys), False
        if kid not in keys:
            self._not_before = time.monotonic() + KEYS_UNKNOWN_SECONDS
            raise PyJWKClientError("the provider has no such key")
        return keys[kid]
