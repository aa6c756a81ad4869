from uuid import UUID

from django.db import transaction
from django.utils import timezone

from billing.actor import Actor
from billing.errors import ReasonRequired
from billing.text import has_visible_text
from billing.use_cases.record_audit import record_audit
from orders.errors import DeploymentSucceeded, DeploymentSuperseded
from orders.models import AppJob, Provision, UnsettledApp
from orders.models.step import Step, StepStatus, as_rows
from orders.use_cases.apps.settle_apps import settle_ordered_apps
from orders.use_cases.provisioning.advance_deployment import lock_deployment
from orders.use_cases.provisioning.enqueue_deployment import enqueue_deployment


def retry_deployment(
    *, model: type[Provision] | type[AppJob], key: UUID, by: Actor, reason: str
) -> Provision | AppJob:
    """Repeats the failed step of a deployment, and the steps after it. One that is stuck is enqueued again.

    A job of apps is refused once a newer job has changed one of them: its steps would undo the newer one.

    Raises: ReasonRequired, DeploymentSucceeded, DeploymentSuperseded.
    Locks: Organization, then the deployment. Transaction: owns.
    """
    if not has_visible_text(reason):
        raise ReasonRequired
    with transaction.atomic():
        deployment = lock_deployment(model, key)
        if deployment.status == deployment.Status.SUCCEEDED:
            raise DeploymentSucceeded
        if isinstance(deployment, AppJob) and deployment.unsettled_apps.count() < len(deployment.apps):
            raise DeploymentSuperseded
        before = deployment.status
        if deployment.status == deployment.Status.FAILED:
            steps = [
                step if step.status != StepStatus.FAILED else Step(name=step.name) for step in deployment.read_steps()
            ]
            deployment.steps, deployment.status = as_rows(steps), deployment.Status.RUNNING
        deployment.updated_at = timezone.now()
        deployment.save(update_fields=["steps", "status", "updated_at"])
        if isinstance(deployment, AppJob):
            is_install = deployment.kind == AppJob.Kind.INSTALL
            state = UnsettledApp.State.INSTALLING if is_install else UnsettledApp.State.UNINSTALLING
            UnsettledApp.objects.filter(job=deployment).update(state=state)
        else:
            settle_ordered_apps(deployment)
        record_audit(
            action="deployment.retried",
            object_type="app job" if isinstance(deployment, AppJob) else "provision",
            object_id=str(deployment.pk),
            by=by,
            changes={"status": [before, deployment.status]},
            reason=reason,
        )
        enqueue_deployment(deployment)
        return deployment
