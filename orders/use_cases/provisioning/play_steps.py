"""Without a provisioner, the worker completes the steps itself, one after the other, and says so."""

import logging
from datetime import datetime
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext_noop

from billing.models import Organization
from orders.models import AppJob, Order, Provision
from orders.models.step import Step, StepStatus
from orders.use_cases.provisioning.advance_deployment import advance_deployment, lock_deployment
from orders.use_cases.provisioning.ensure_provision import ensure_provision

PLAYED = gettext_noop("Completed by this service itself, because no provisioner is configured.")
DELETED = gettext_noop("The organization was deleted.")

logger = logging.getLogger(__name__)


def provision_order(*, order_id: UUID) -> Provision:
    """Returns the provision of a completed order for the worker, which makes it if there is none yet."""
    order = Order.objects.select_related("organization", "provision").get(id=order_id)
    return ensure_provision(order=order, in_worker=True)


def play_next_step(model: type[Provision] | type[AppJob], key: UUID) -> bool:
    """Completes the running step and starts the next one. Returns whether another step is left.

    With a provisioner, does nothing: its reports complete the steps.

    Locks: Organization, then the deployment. Transaction: owns. After a kill, the next run goes on where it ended.
    """
    if settings.PROVISIONER == "external":
        return False
    moment = timezone.now()
    with transaction.atomic():
        deployment = lock_deployment(model, key)
        if deployment.is_finished:
            return False
        if deployment.status == deployment.Status.PENDING:
            logger.info("no provisioner is configured: the worker itself completes the steps of %s", deployment)
        steps = deployment.read_steps()
        left = (number for number, step in enumerate(steps) if step.status != StepStatus.COMPLETED)
        # A provisioner may have called a deployment failed whose every step is completed: nothing is left to play.
        position = next(left, None)
        if position is None:
            pass
        elif deployment.organization.status == Organization.Status.DELETED:
            steps[position] = steps[position].finish(StepStatus.FAILED, moment, message=DELETED)
        else:
            _play(steps, position, now=moment)
        advance_deployment(deployment, steps=steps, now=moment)
    return not deployment.is_finished


def _play(steps: list[Step], position: int, *, now: datetime) -> None:
    """Completes the step at this position if it is running, and starts the next one; else starts it."""
    if steps[position].status == StepStatus.RUNNING:
        steps[position] = steps[position].finish(StepStatus.COMPLETED, now, message=PLAYED)
        position += 1
    if position < len(steps):
        steps[position] = steps[position].start(now)
