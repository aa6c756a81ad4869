"""Gives the end of a deployment its effect on the states of the organization's apps."""

from uuid import UUID

from django.db.models import Q

from billing.models import Organization
from orders.models import AppJob, DependencyUse, Provision, UnsettledApp
from orders.use_cases.apps.organization_apps import OrganizationApps


def settle_apps(job: AppJob) -> None:
    """Stores the states of the apps of a job that has ended; an app that was removed is no longer listed.

    The job and its organization are locked. Transaction: joins.
    """
    unsettled = UnsettledApp.objects.filter(job=job)
    if job.status == AppJob.Status.FAILED:
        unsettled.update(state=UnsettledApp.State.FAILED)
    elif job.status == AppJob.Status.SUCCEEDED:
        unsettled.delete()
        if job.kind == AppJob.Kind.UNINSTALL:
            _remove(job)


def settle_ordered_apps(provision: Provision) -> None:
    """Shows the apps of a failed provision as failed, until it is retried or a job installs them.

    The provision and its organization are locked. Transaction: joins.
    """
    organization = provision.organization_id
    if provision.status == Provision.Status.FAILED:
        failed = [
            UnsettledApp(organization_id=organization, app_id=app, state=UnsettledApp.State.FAILED)
            for app in provision.apps
        ]
        UnsettledApp.objects.bulk_create(failed, ignore_conflicts=True)
    else:
        UnsettledApp.objects.filter(organization=organization, job=None, app_id__in=provision.apps).delete()


def _remove(job: AppJob) -> None:
    organization = Organization.objects.get(id=job.organization_id)
    organization.apps = [app for app in organization.apps if app not in job.apps]
    organization.save(update_fields=["apps"])
    removed = [UUID(app) for app in job.apps]
    uses = DependencyUse.objects.filter(organization=organization)
    uses.filter(Q(app_id__in=removed) | Q(service_id__in=removed)).delete()
    apps = OrganizationApps(organization)
    # Without these rows, what the remaining apps need would count as installed.
    DependencyUse.objects.bulk_create(
        DependencyUse(organization=organization, app_id=app.id, service_id=service.id)
        for app in apps.installed
        for service in apps.catalog.needs(app)
        if app.id not in removed and service.id in removed
    )
