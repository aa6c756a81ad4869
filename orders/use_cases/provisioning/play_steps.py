"""Without a provisioner, the worker completes the steps itself, one after the other, and says so."""

import logging
from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from billing.models import Organization
from orders.models import Order, Provision
from orders.models.step import Step, StepStatus
from orders.use_cases.provisioning.advance_deployment import advance_provision, lock_provision
from orders.use_cases.provisioning.ensure_provision import ensure_provision

PLAYED = "Completed by this service itself, because no provisioner is configured."
DELETED = "The organization was deleted."

logger = logging.getLogger(__name__)


def provision_order(*, order_id: UUID) -> Provision:
    """Makes the provision of a completed order if there is none yet."""
    order = Order.objects.select_related("organization", "provision").get(id=order_id)
    return ensure_provision(order=order, enqueue_deployment=False)


def play_next_step(*, provision: Provision) -> bool:
    """Completes the running step and starts the next one. Returns whether there is another step to play.

    Locks: Organization, Provision. Transaction: owns. A killed worker's steps are kept, and the next run goes on.
    """
    moment = timezone.now()
    with transaction.atomic():
        provision = lock_provision(provision)
        if provision.is_finished:
            return False
        if provision.status == Provision.Status.PENDING:
            logger.info("no provisioner is configured: this worker completes the steps of %s itself", provision.pk)
        steps = provision.read_steps()
        position = next(number for number, step in enumerate(steps) if step.status != StepStatus.COMPLETED)
        if provision.organization.status == Organization.Status.DELETED:
            steps[position] = steps[position].finish(StepStatus.FAILED, moment, message=DELETED)
        else:
            _play(steps, position, now=moment)
        advance_provision(provision=provision, steps=steps, now=moment)
    return not provision.is_finished


def _play(steps: list[Step], position: int, *, now: datetime) -> None:
    """Completes the step at this position if it is running, and starts the next one; else starts it."""
    if steps[position].status == StepStatus.RUNNING:
        steps[position] = steps[position].finish(StepStatus.COMPLETED, now, message=PLAYED)
        position += 1
    if position < len(steps):
        steps[position] = steps[position].start(now)
