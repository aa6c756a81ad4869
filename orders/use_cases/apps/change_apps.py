"""Starts the installation and the removal of an app: the parts that both have in common."""

from collections.abc import Sequence
from dataclasses import dataclass

from billing.actor import Actor
from billing.errors import DomainError
from billing.models import Organization
from billing.use_cases.record_audit import record_audit
from orders.models import AppJob, UnsettledApp
from orders.use_cases.apps.organization_apps import OrganizationApps
from orders.use_cases.provisioning.enqueue_deployment import enqueue_deployment


@dataclass(frozen=True, slots=True, kw_only=True)
class AppChange:
    """The answer to a change of an organization's apps. `status` is `queued`, or says why nothing was to be done."""

    status: str
    organization: Organization
    deployed: Sequence[str] = ()


def start_job(job: AppJob, *, apps: OrganizationApps, by: Actor) -> None:
    """Stores a job with the states of its apps, and enqueues it. Transaction: joins."""
    organization = apps.organization
    job.save(force_insert=True)
    is_install = job.kind == AppJob.Kind.INSTALL
    state = UnsettledApp.State.INSTALLING if is_install else UnsettledApp.State.UNINSTALLING
    for app_id in job.apps:
        UnsettledApp.objects.update_or_create(
            organization=organization, app_id=app_id, defaults={"state": state, "job": job}
        )
    before = organization.apps
    # What the apps of an order need is installed with them, and is listed from here on.
    organization.apps = list(dict.fromkeys([*before, *(str(app.id) for app in apps.installed), *job.apps]))
    organization.save(update_fields=["apps"])
    record_audit(
        action=f"organization.app_{job.kind}",
        object_type="organization",
        object_id=str(organization.id),
        by=by,
        changes={"app": [None, job.app_slug], "apps": [before, organization.apps]},
    )
    enqueue_deployment(job)


def refuse_with_message(error: type[DomainError], message: str, **extra: object) -> DomainError:
    """Returns a refusal whose sentence stands in `message` as well, where clients look for it."""
    return error(message, extra={"message": message, **extra})
