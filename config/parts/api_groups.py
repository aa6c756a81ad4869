"""The groups of the API, each of which can be switched off where the platform has a service of its own.

The endpoints of such a group do not exist: they answer 404, and the description of the API leaves them out. Nothing
else depends on them, because other endpoints call use cases and not endpoints.
"""

from collections.abc import Collection, Sequence
from importlib import import_module

from django.urls import URLPattern, URLResolver, include, path

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


def load_endpoints(*apps: str, groups_off: Collection[str]) -> list[URLResolver]:
    """Returns the endpoints of the apps' URL configurations without those of the groups that are off.

    They are grouped by the first part of their paths, so that Django compares a request with few of them.
    """
    parts: dict[str, list[URLPattern]] = {}
    for urls in apps:
        endpoints: Sequence[URLPattern] = import_module(urls).urlpatterns
        for each in endpoints:
            if group_of(str(each.pattern)) not in groups_off:
                part, _, rest = str(each.pattern).partition("/")
                parts.setdefault(part, []).append(path(rest, each.callback, name=each.name))
    return [path(f"{part}/", include(below)) for part, below in parts.items()]
