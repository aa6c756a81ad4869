"""Rate limits of public endpoints by client network. `billing.use_cases.count_attempt` counts."""

from typing import Any

from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from billing.api.access.client_address import client_address
from billing.use_cases.count_attempt import PREVIEWS, count_hit_of_networks, read_limit


class RateLimit(BaseThrottle):
    """Limits requests by client network. A subclass names its scope and the setting that holds its rate."""

    scope: str
    setting: str

    _wait: int | None = None

    def allow_request(self, request: Request, view: Any) -> bool:
        allowed, self._wait = count_hit_of_networks(read_limit(self.scope, self.setting), client_address(request))
        return allowed

    def wait(self) -> int | None:
        return self._wait


class PreviewRateLimit(RateLimit):
    """The limit of the public voucher preview and of quotes."""

    scope, setting = PREVIEWS


class DomainRateLimit(RateLimit):
    """The limit of requests that look names up in the DNS."""

    scope = "domain"
    setting = "DOMAIN_RATE_LIMIT"
