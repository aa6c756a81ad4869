"""The groups of the API, each of which can be switched off where the platform has a service of its own.

The endpoints of such a group do not exist: they answer 404, and the description of the API leaves them out. Nothing
else depends on them, because other endpoints call use cases and not endpoints.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from importlib import import_module

from django.urls import Resolver404, ResolverMatch, URLPattern, URLResolver
from django.urls.resolvers import RoutePattern

GROUPS = ("auth", "billing", "catalog", "domain", "provisioning", "tenant", "vouchers")
_VOUCHERS = (
    "billing/vouchers/",
    "billing/campaigns",
    "billing/alerts",
    "billing/attempts",
    "billing/batches",
    "billing/ranges",
    "billing/dealers",
    "billing/admin/promos",
)
# The endpoints of TM Forum's APIs: off unless a setting turns them on.
TM_FORUM = "tmf-api"
# Stripe reports card payments there, also those of renewals.
_WEBHOOK = "billing/webhook"


def group_of(address: str) -> str | None:
    """Returns the group of an endpoint by its path below the root of the API; None for Stripe's webhook."""
    if address == _WEBHOOK:
        return None
    return "vouchers" if address.startswith(_VOUCHERS) else address.partition("/")[0]


def load_endpoints(*apps: str, groups_off: Collection[str]) -> Iterator[URLPattern]:
    """Yields the endpoints of the apps' URL configurations without those of the groups that are off."""
    for urls in apps:
        endpoints: Sequence[URLPattern] = import_module(urls).urlpatterns
        yield from (each for each in endpoints if group_of(str(each.pattern)) not in groups_off)


class EndpointResolver(URLResolver):
    """Resolves the addresses below the root of the API.

    Django compares a request with one endpoint after the other. Here an address without parameters is looked up, and
    another is compared only with the endpoints of the same first part.
    """

    def __init__(self, root: str, endpoints: Iterable[URLPattern]) -> None:
        listed = list(endpoints)
        super().__init__(RoutePattern(root), listed)
        self._by_address: dict[str, list[URLPattern]] = {}
        self._by_first_part: dict[str, list[URLPattern]] = {}
        for each in listed:
            address = str(each.pattern)
            if "<" in address:
                self._by_first_part.setdefault(address.partition("/")[0], []).append(each)
            else:
                self._by_address.setdefault(address, []).append(each)

    def resolve(self, path: str) -> ResolverMatch:
        root = self.pattern.match(path)
        if root:
            address = root[0]
            candidates = self._by_address.get(address) or self._by_first_part.get(address.partition("/")[0], [])
            for each in candidates:
                if found := each.resolve(address):
                    return found
        raise Resolver404({"path": path})
