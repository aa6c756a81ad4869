from django.conf import settings
from django.db import transaction

from orders.errors import OrderNotComplete
from orders.jobs import enqueue
from orders.models import App, Order, Provision
from orders.models.provisioning import as_rows
from orders.models.step import Step
from orders.use_cases.provisioning.app_dependencies import AppCatalog

# The states of an order that was paid.
COMPLETE = (Order.Status.COMPLETED, Order.Status.REFUNDED)


def ensure_provision(*, order: Order, enqueue_deployment: bool) -> Provision:
    """Returns the provision of a completed order, and makes it from the order if there is none yet.

    The worker makes it soon after the order completes. A client that asks earlier makes it.

    Args: order: read with its organization. enqueue_deployment: whether a provision that is made here gets a job.
    Raises: OrderNotComplete. Transaction: owns. Idempotency: by the order.
    """
    if order.status not in COMPLETE:
        raise OrderNotComplete
    if hasattr(order, "provision"):
        return order.provision
    catalog = AppCatalog.load()
    organization = order.organization
    with transaction.atomic():
        provision, made = Provision.objects.get_or_create(
            order=order,
            defaults={
                "organization": organization,
                "plan_id": order.plan_id,
                "apps": [str(app.id) for reference in order.apps if (app := catalog.find(reference))],
                "subdomain": organization.slug,
                "steps": as_rows(_plan_steps(catalog.in_deployment_order(order.apps), organization.slug)),
            },
        )
        if made and enqueue_deployment:
            enqueue("provision_organization", lock=f"organization:{organization.id}", order_id=str(order.id))
    return provision


def name_deploying_step(app: App) -> str:
    """Returns the name of the step that deploys an app. Clients find the step by it."""
    return f"Deploying {app.name}"


def _plan_steps(apps: list[App], subdomain: str) -> list[Step]:
    names = [
        "Creating namespace",
        *(name_deploying_step(app) for app in apps),
        f"Connecting {subdomain}.{settings.SOVEREIGN_DOMAIN}",
    ]
    return [Step(name=name) for name in names]
