from dataclasses import dataclass
from uuid import UUID

from django.db import transaction

from billing.actor import Actor
from billing.language import say
from billing.organization_roles import Act
from billing.use_cases.organizations.authorize_act import authorize_act
from orders.errors import AppHasDependents
from orders.models import App, AppJob, UnsettledApp
from orders.models.step import Step, as_rows
from orders.use_cases.apps.change_apps import AppChange, refuse_with_message, start_job
from orders.use_cases.apps.organization_apps import OrganizationApps


@dataclass(frozen=True, slots=True, kw_only=True)
class Removal:
    """The services that the removal of an app deletes, and those that another installed app retains.

    `ended` are the deleted ones of which no other app has one of its own, or the shared one.
    """

    app: App
    is_installed: bool
    purged: list[App]
    ended: list[App]
    retained: list[App]
    dependents: list[App]


def preview_uninstall(*, organization_id: UUID, slug: str, by: Actor) -> Removal:
    """Returns what the removal of an app would do. Nothing is written.

    Raises: OrganizationNotFound, OrganizationRoleTooLow, AppNotFound.
    """
    organization = authorize_act(organization_id=organization_id, by=by, act=Act.READ_APPS)
    return _plan_removal(OrganizationApps(organization), slug)


def uninstall_app(*, organization_id: UUID, slug: str, force: bool, by: Actor) -> AppChange:
    """Removes an app, with the services that nothing else needs, by one job. The ids stay until the job ends.

    Args: force: removes it also while other installed apps need it.
    Raises: OrganizationNotFound, OrganizationRoleTooLow, AppNotFound, AppBusy, AppHasDependents.
    Locks: Organization. Transaction: owns. Idempotency: an app that is being removed is left alone.
    """
    with transaction.atomic():
        organization = authorize_act(organization_id=organization_id, by=by, act=Act.CHANGE_APPS, lock=True)
        apps = OrganizationApps(organization)
        removal = _plan_removal(apps, slug)
        app = removal.app
        if not removal.is_installed:
            return AppChange(status="not_installed", organization=organization)
        if apps.state_of(app) == UnsettledApp.State.UNINSTALLING:
            return AppChange(status="queued", organization=organization)
        if removal.dependents and not force:
            names = [each.name for each in removal.dependents]
            message = say("%(app)s is needed by %(names)s", app=app.local_name, names=", ".join(names))
            raise refuse_with_message(AppHasDependents, message, dependents=names)
        apps.check_not_busy([app, *removal.purged])
        job = AppJob(
            organization=organization,
            kind=AppJob.Kind.UNINSTALL,
            app_id=app.id,
            app_slug=app.slug,
            app_name=app.name,
            apps=[str(each.id) for each in (app, *removal.ended)],
            steps=as_rows([Step(name=f"Removing {each.name}") for each in (app, *removal.purged)]),
            purged_services=name_services(removal.purged),
            retained_services=name_services(removal.retained),
        )
        start_job(job, apps=apps, by=by)
        return AppChange(status="queued", organization=organization)


def name_services(apps: list[App]) -> list[dict[str, str]]:
    """Returns services as answers name them."""
    return [{"slug": app.slug, "name": app.name} for app in apps]


def _plan_removal(apps: OrganizationApps, slug: str) -> Removal:
    """Raises: AppNotFound."""
    app = apps.find(slug)
    services = [each for each in apps.catalog.needs(app) if each.system and apps.service_of(app, each) is not None]
    services = [each for each in services if each in apps.installed]
    leaving = {app, *services}
    others = {each: apps.dependents_of(each, leaving=leaving) for each in services}
    retained = [
        each
        for each in services
        if any(apps.service_of(other, each) == apps.service_of(app, each) for other in others[each])
    ]
    purged = [each for each in services if each not in retained]
    return Removal(
        app=app,
        is_installed=app in apps.installed,
        purged=purged,
        ended=[each for each in purged if not others[each]],
        retained=retained,
        dependents=apps.dependents_of(app),
    )
