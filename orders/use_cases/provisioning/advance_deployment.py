"""Moves a deployment on, and gives its end its effect."""

from datetime import datetime

from billing.models import Organization
from orders.models import Provision
from orders.models.provisioning import as_rows
from orders.models.step import Step, StepStatus
from orders.use_cases.organizations.provision_organization import provision_organization


def lock_provision(provision: Provision) -> Provision:
    """Locks a provision after its organization, and reads it again."""
    # Races with the deletion of the organization and with a checkout for it.
    Organization.objects.select_for_update(no_key=True).only("id").get(id=provision.organization_id)
    # Races with another worker and with reports of the provisioner.
    return (
        Provision.objects.select_for_update(no_key=True, of=("self",))
        .select_related("organization")
        .get(pk=provision.pk)
    )


def advance_provision(*, provision: Provision, steps: list[Step], now: datetime) -> None:
    """Stores the steps as they are now, with the state that follows from them, and its effect on the organization.

    The provision is locked. Locks: Organization. Transaction: joins.
    """
    provision.steps, provision.updated_at = as_rows(steps), now
    provision.status = _follow(steps)
    provision.save(update_fields=["steps", "status", "updated_at"])
    if provision.status == Provision.Status.SUCCEEDED:
        provision_organization(order_id=provision.order_id)


def _follow(steps: list[Step]) -> str:
    statuses = {step.status for step in steps}
    if StepStatus.FAILED in statuses:
        return Provision.Status.FAILED
    if statuses <= {StepStatus.COMPLETED}:
        return Provision.Status.SUCCEEDED
    return Provision.Status.PENDING if statuses == {StepStatus.PENDING} else Provision.Status.RUNNING
