"""Rate limits of public endpoints by client network. `billing.use_cases.count_attempt` counts."""

from typing import Any

from django.conf import settings
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from billing.api.access.client_address import client_network
from billing.use_cases.count_attempt import Limit, count_hit

_PERIOD_SECONDS = {"s": 1, "min": 60, "h": 3600, "d": 86400}


class RateLimit(BaseThrottle):
    """Limits requests by client network. A subclass names its scope and the setting that holds its rate."""

    scope: str
    setting: str

    _wait: int | None = None

    def allow_request(self, request: Request, view: Any) -> bool:
        hits, seconds = _read_rate(getattr(settings, self.setting))
        limit = Limit(scope=self.scope, hits=hits, seconds=seconds)
        allowed, self._wait = count_hit(limit, client_network(request))
        return allowed

    def wait(self) -> int | None:
        return self._wait


class PreviewRateLimit(RateLimit):
    """The limit of the public voucher preview, so that codes cannot be found by guessing."""

    scope = "preview"
    setting = "PREVIEW_RATE_LIMIT"


class DomainRateLimit(RateLimit):
    """The limit of requests that look names up in the DNS."""

    scope = "domain"
    setting = "DOMAIN_RATE_LIMIT"


def _read_rate(text: str) -> tuple[int, int]:
    """Parses a rate: `60/min` is 60 requests in 60 seconds. The settings have validated the text."""
    limit, _, period = text.partition("/")
    return int(limit), _PERIOD_SECONDS[period]
