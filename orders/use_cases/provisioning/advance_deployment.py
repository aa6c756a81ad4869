"""Moves a deployment on, and gives its end its effect."""

from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import QuerySet

from billing.locks import lock_organization
from orders.models import AppJob, Provision
from orders.models.step import Step, StepStatus, as_rows
from orders.use_cases.apps.settle_apps import settle_apps, settle_ordered_apps
from orders.use_cases.organizations.provision_organization import provision_organization


def lock_deployment(model: type[Provision] | type[AppJob], key: UUID) -> Provision | AppJob:
    """Locks a deployment after its organization, and reads it with the organization.

    Raises: the model's DoesNotExist.
    """
    rows: QuerySet[Any] = model._default_manager.all()
    organization_id = rows.only("organization_id").get(pk=key).organization_id
    lock_organization(organization_id=organization_id)
    # Races with another worker and with reports of the provisioner.
    locked: Provision | AppJob = (
        rows.select_for_update(no_key=True, of=("self",)).select_related("organization").get(pk=key)
    )
    return locked


def advance_deployment(
    deployment: Provision | AppJob, *, steps: list[Step], now: datetime, failed: bool = False
) -> None:
    """Stores the steps as they are now, with the state that follows from them, and gives an end its effect.

    The deployment and its organization are locked. A deployment fails with its first failed step, or with `failed`.

    Transaction: joins.
    """
    status = _follow(deployment, steps, failed=failed)
    deployment.steps, deployment.status, deployment.updated_at = as_rows(steps), status, now
    deployment.save(update_fields=["steps", "status", "updated_at"])
    if isinstance(deployment, AppJob):
        settle_apps(deployment)
    elif deployment.is_finished:
        settle_ordered_apps(deployment)
        if deployment.status == deployment.Status.SUCCEEDED:
            provision_organization(order_id=deployment.order_id)


def _follow(deployment: Provision | AppJob, steps: list[Step], *, failed: bool) -> str:
    statuses = {step.status for step in steps}
    if failed or StepStatus.FAILED in statuses:
        return deployment.Status.FAILED
    if statuses <= {StepStatus.COMPLETED}:
        return deployment.Status.SUCCEEDED
    return deployment.status if statuses == {StepStatus.PENDING} else deployment.Status.RUNNING
