from django.conf import settings

from billing.jobs import enqueue
from orders.models import AppJob, OutboxEvent, Provision
from orders.use_cases.organizations.provision_organization import SOURCE
from orders.use_cases.provisioning.describe_deployment import describe_app_job, describe_provision

TOPIC = "sme.provision.events"


def enqueue_deployment(deployment: Provision | AppJob) -> None:
    """Asks the provisioner to deploy, by an event; without a provisioner, adds a job for the worker.

    Transaction: joins.
    """
    if settings.PROVISIONER == "external":
        _announce(deployment)
        return
    # An organization's deployments run one after the other.
    lock = f"organization:{deployment.organization_id}"
    if isinstance(deployment, Provision):
        enqueue("provision_organization", lock=lock, order_id=str(deployment.order_id))
    else:
        enqueue("run_app_job", lock=lock, job_id=str(deployment.id))


def _announce(deployment: Provision | AppJob) -> None:
    if isinstance(deployment, Provision):
        type_, data = "provision.requested", describe_provision(deployment)
    else:
        type_, data = f"app.{deployment.kind}_requested", describe_app_job(deployment)
        data["dep_choices"] = deployment.dep_choices
    OutboxEvent.objects.create(
        type=type_, topic=TOPIC, source=SOURCE, tenant_id=deployment.organization_id, data=data
    )
