from django.conf import settings
from django.db import transaction

from billing.models import Organization
from orders.errors import OrderNotComplete
from orders.models import App, DependencyUse, Order, Provision
from orders.models.step import Step, as_rows
from orders.use_cases.apps.app_catalog import AppCatalog
from orders.use_cases.provisioning.enqueue_deployment import enqueue_deployment

# The states of an order that was paid.
COMPLETE = (Order.Status.COMPLETED, Order.Status.REFUNDED)


def ensure_provision(*, order: Order, in_worker: bool) -> Provision:
    """Returns the provision of a completed order, and makes it from the order if there is none yet.

    The worker makes it soon after the order completes. A client that asks earlier makes it.

    Args: order: read with its organization. in_worker: whether the caller is the job that deploys it.
    Raises: OrderNotComplete. Transaction: owns. Idempotency: by the order.
    """
    if order.status not in COMPLETE:
        raise OrderNotComplete
    if hasattr(order, "provision"):
        return order.provision
    catalog = AppCatalog.load()
    organization = order.organization
    deployed = catalog.in_deployment_order(order.apps)
    with transaction.atomic():
        provision, made = Provision.objects.get_or_create(
            order=order,
            defaults={
                "organization": organization,
                "plan_id": order.plan_id,
                "apps": [str(app.id) for reference in order.apps if (app := catalog.find(reference))],
                "subdomain": organization.slug,
                "steps": as_rows(_plan_steps(deployed, organization.slug)),
            },
        )
        if made:
            _restore_services(organization, deployed)
        if made and (settings.PROVISIONER == "external" or not in_worker):
            enqueue_deployment(provision)
    return provision


def _restore_services(organization: Organization, deployed: list[App]) -> None:
    """Lets apps that ran without a service share the one that the order brings."""
    services = [app.id for app in deployed]
    DependencyUse.objects.filter(organization=organization, service_id__in=services, dedicated_to=None).delete()


def _plan_steps(apps: list[App], subdomain: str) -> list[Step]:
    names = [
        "Creating namespace",
        *(f"Deploying {app.name}" for app in apps),
        f"Connecting {subdomain}.{settings.SOVEREIGN_DOMAIN}",
    ]
    return [Step(name=name) for name in dict.fromkeys(names)]
