"""The groups of the API, each of which can be switched off where the platform has a service of its own.

The endpoints of such a group do not exist: they answer 404, and the description of the API leaves them out. Nothing
else depends on them, because other endpoints call use cases and not endpoints.
"""

from collections.abc import Collection, Sequence
from importlib import import_module

from django.urls import URLPattern

GROUPS = ("auth", "billing", "catalog", "domain", "provisioning", "tenant", "vouchers")
_VOUCHERS = ("billing/vouchers/", "billing/campaigns", "billing/attempts", "billing/admin/promos")
# Stripe reports card payments there, also those of renewals.
_WEBHOOK = "billing/webhook"


def group_of(path: str) -> str | None:
    """Returns the group of an endpoint by its path below the root of the API; None for Stripe's webhook."""
    if path == _WEBHOOK:
        return None
    return "vouchers" if path.startswith(_VOUCHERS) else path.partition("/")[0]


def load_endpoints(urls: str, *, groups_off: Collection[str]) -> list[URLPattern]:
    """Returns the endpoints of an app's URL configuration without those of the groups that are off."""
    patterns: Sequence[URLPattern] = import_module(urls).urlpatterns
    return [each for each in patterns if group_of(str(each.pattern)) not in groups_off]
