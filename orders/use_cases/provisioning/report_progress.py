from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from billing.local_time import utc_text
from orders.errors import ProvisionNotFound
from orders.models import AppJob, BackingServices, Provision, ProvisioningReport
from orders.models.provisioning import Deployment
from orders.models.step import FINISHED, Step, StepStatus
from orders.use_cases.provisioning.advance_deployment import advance_deployment, lock_deployment

_ORDER = [StepStatus.PENDING, StepStatus.RUNNING, StepStatus.COMPLETED]


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The parts of a deployment that the provisioner reports; each may be absent.

    `id` is the report's own: a report with the id of an earlier one changes nothing. `status` is the name of a member
    of the deployment's `Status`. `reported_at` orders the reports of services.
    """

    model: type[Provision] | type[AppJob]
    key: UUID
    id: str = ""
    status: str = ""
    steps: Sequence[Step] = ()
    services: Sequence[dict[str, Any]] | None = None
    reported_at: datetime | None = None


def report_progress(*, report: Report) -> Provision | AppJob:
    """Applies a report of the provisioner, and returns the deployment as it is now.

    Reports may arrive twice, late and out of order: a step only moves on, and a finished deployment stays as it is.
    A step that was not planned is added at the end.

    Raises: ProvisionNotFound. Locks: Organization, then the deployment. Transaction: owns. Idempotency: by the id.
    """
    moment = timezone.now()
    with transaction.atomic():
        try:
            deployment = lock_deployment(report.model, report.key)
        except (Provision.DoesNotExist, AppJob.DoesNotExist):
            raise ProvisionNotFound from None
        if report.id and not ProvisioningReport.objects.get_or_create(id=report.id)[1]:
            return deployment
        if report.services is not None:
            _store_services(deployment, report.services, at=min(report.reported_at or moment, moment))
        if not deployment.is_finished and (report.steps or report.status):
            _apply(deployment, report, now=moment)
        return deployment


def _apply(deployment: Provision | AppJob, report: Report, *, now: datetime) -> None:
    steps = merge_steps(deployment.read_steps(), report.steps, now=now)
    status = Deployment.Status[report.status] if report.status else None
    if status == Deployment.Status.SUCCEEDED:
        steps = [step if step.status in FINISHED else step.finish(StepStatus.COMPLETED, now) for step in steps]
    if status == Deployment.Status.FAILED and not any(step.status == StepStatus.FAILED for step in steps):
        steps = _fail_current(steps, now=now)
    if status == Deployment.Status.RUNNING and deployment.status == deployment.Status.PENDING:
        deployment.status = deployment.Status.RUNNING
    advance_deployment(deployment, steps=steps, now=now, failed=status == Deployment.Status.FAILED)


def merge_steps(steps: Sequence[Step], reported: Sequence[Step], *, now: datetime) -> list[Step]:
    """Returns the steps with what is reported of them: in their order, new ones at the end, and none moved back."""
    merged = {step.name: step for step in steps}
    for report in reported:
        step = merged.get(report.name, Step(name=report.name))
        merged[report.name] = _move_on(step, report, now=now)
    return list(merged.values())


def _move_on(step: Step, report: Step, *, now: datetime) -> Step:
    if step.status in FINISHED:
        return step
    if report.status in _ORDER and _ORDER.index(report.status) < _ORDER.index(step.status):
        return step
    moment = utc_text(now)
    has_started, is_done = report.status != StepStatus.PENDING, report.status in FINISHED
    return replace(
        step,
        status=report.status,
        message=report.message or step.message,
        started_at=report.started_at or step.started_at or (moment if has_started else None),
        done_at=report.done_at or (moment if is_done else None),
    )


def _fail_current(steps: list[Step], *, now: datetime) -> list[Step]:
    """Returns the steps with the first unfinished one failed."""
    unfinished = [number for number, step in enumerate(steps) if step.status not in FINISHED]
    if unfinished:
        steps[unfinished[0]] = steps[unfinished[0]].finish(StepStatus.FAILED, now)
    return steps


def _store_services(deployment: Deployment, services: Sequence[dict[str, Any]], *, at: datetime) -> None:
    """Stores the organization's services, unless newer ones are stored.

    A time in the future, by a clock that is ahead, would refuse all later reports: it counts as the present.
    """
    key = deployment.organization_id
    stored, made = BackingServices.objects.select_for_update(no_key=True).get_or_create(
        organization_id=key, defaults={"services": list(services), "reported_at": at}
    )
    if not made and stored.reported_at <= at:
        stored.services, stored.reported_at = list(services), at
        stored.save(update_fields=["services", "reported_at"])
