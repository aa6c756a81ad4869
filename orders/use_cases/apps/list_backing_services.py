from typing import Any
from uuid import UUID, uuid5

from billing.actor import Actor
from billing.errors import OrganizationNotFound
from billing.models import Organization
from billing.organization_roles import Act
from billing.use_cases.organizations.authorize_act import authorize_act
from orders.models import App, BackingServices
from orders.use_cases.apps.organization_apps import OrganizationApps

DATABASE, CACHE, SERVICE = CATEGORIES = ("database", "cache", "service")
POD_STATUSES = ("Running", "Pending", "Failed", "unknown", "not_found")
# The catalog lists them with the databases.
_CACHES = ("memcached", "redis", "valkey")


def list_backing_services(*, organization_id: UUID, by: Actor) -> list[dict[str, Any]]:
    """Returns the services behind an organization's apps. Raises: OrganizationNotFound, OrganizationRoleTooLow."""
    return _services_of(authorize_act(organization_id=organization_id, by=by, act=Act.READ_APPS))


def list_backing_services_for_staff(*, organization_id: UUID) -> list[dict[str, Any]]:
    """Returns the services behind any organization's apps, also a deleted one's. Raises: OrganizationNotFound."""
    organization = Organization.objects.filter(id=organization_id).first()
    if organization is None:
        raise OrganizationNotFound
    return _services_of(organization)


def _services_of(organization: Organization) -> list[dict[str, Any]]:
    """Returns what the provisioner last reported; if it never did, the services that the apps need."""
    reported = BackingServices.objects.filter(organization=organization).first()
    if reported is not None:
        return list(reported.services)
    apps = OrganizationApps(organization)
    services: list[dict[str, Any]] = []
    for service in (each for each in apps.installed if each.system):
        if apps.has_shared(service):
            services.append(_describe_unknown(service))
        used = dict.fromkeys(apps.service_of(app, service) for app in apps.dependents_of(service))
        owners = [apps.catalog.find(str(owner)) for owner in used if isinstance(owner, UUID)]
        services += [_describe_dedicated(service, owner) for owner in owners if owner is not None]
    return services


def _describe_dedicated(service: App, owner: App) -> dict[str, Any]:
    own = {"id": str(uuid5(owner.id, str(service.id))), "name": f"{service.name} of {owner.name}"}
    return {**_describe_unknown(service), **own}


def _describe_unknown(app: App) -> dict[str, Any]:
    category = CACHE if app.slug in _CACHES else DATABASE if app.category == DATABASE else SERVICE
    return {
        "id": str(app.id),
        "slug": app.slug,
        "name": app.name,
        "category": category,
        "version": "",
        "endpoint_host": "",
        "endpoint_port": 0,
        "pod_status": "unknown",
        "ready_replicas": 0,
        "total_replicas": 0,
    }
