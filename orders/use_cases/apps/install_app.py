from collections.abc import Mapping, Sequence
from uuid import UUID

from django.db import transaction

from billing.actor import Actor
from billing.language import say
from billing.models import Organization
from billing.organization_roles import Act
from billing.use_cases.organizations.authorize_act import authorize_act
from orders.errors import AppNotDeployable, AppNotFound, InvalidDependencyChoice, PlanTooSmall
from orders.models import App, AppJob, DependencyUse, Plan, UnsettledApp
from orders.models.step import Step, as_rows
from orders.use_cases.apps.change_apps import AppChange, refuse_with_message, start_job
from orders.use_cases.apps.organization_apps import SHARED, OrganizationApps

DEDICATED = "dedicated"


def install_app(*, organization_id: UUID, slug: str, dep_choices: Mapping[str, str], by: Actor) -> AppChange:
    """Installs an app with the dependencies that are not there yet, by one job.

    Args: dep_choices: by a dependency's slug, `dedicated` for one of the app's own, or the slug of the installed app
    whose dependency it uses too. Without a choice, the app shares the dependency with the other apps.
    Raises: OrganizationNotFound, OrganizationRoleTooLow, AppNotFound, AppNotDeployable, InvalidDependencyChoice,
    OrganizationNotRunning, AppBusy, PlanTooSmall.
    Locks: Organization. Transaction: owns. Idempotency: an app that is installed, or being installed, is left alone.
    """
    with transaction.atomic():
        organization = authorize_act(organization_id=organization_id, by=by, act=Act.CHANGE_APPS, lock=True)
        apps = OrganizationApps(organization)
        app = apps.find(slug)
        is_installed = app in apps.installed and apps.state_of(app) != UnsettledApp.State.FAILED
        if not app.active and not is_installed:
            raise AppNotFound
        if not app.deployable:
            raise AppNotDeployable
        services = _choose_services(app, dep_choices, apps)
        apps.check_running()
        if is_installed and apps.state_of(app) != UnsettledApp.State.UNINSTALLING:
            return AppChange(status="already_installed", organization=organization)
        failed = [each for each in services if apps.state_of(each) == UnsettledApp.State.FAILED]
        own = [each for each, used in services.items() if used == app.id]
        shared = [each for each, used in services.items() if used == SHARED]
        missing = [each for each in shared if each in failed or not apps.has_shared(each)]
        deployed = [each for each in services if each in own or each in missing]
        # The organization's list already names a service of which the app gets another one.
        added = [each for each in deployed if each in missing or each in failed or each not in apps.installed]
        _check_plan(organization.plan_id, [*deployed, app])
        # A dependency that another job installs at present is there when this job runs.
        apps.check_not_busy([app, *added])
        apps.check_not_busy(each for each in services if apps.state_of(each) == UnsettledApp.State.UNINSTALLING)
        _store_uses(organization, app, services, missing=missing)
        job = AppJob(
            organization=organization,
            kind=AppJob.Kind.INSTALL,
            app_id=app.id,
            app_slug=app.slug,
            app_name=app.name,
            apps=[str(each.id) for each in (*added, app)],
            dep_choices=dict(dep_choices),
            steps=as_rows(_plan_steps([*deployed, app])),
        )
        start_job(job, apps=apps, by=by)
        return AppChange(status="queued", organization=organization, deployed=job.apps)


def _choose_services(app: App, choices: Mapping[str, str], apps: OrganizationApps) -> dict[App, UUID | str]:
    """Returns everything that the app needs, in the order of deployment, with the service that it uses.

    That is SHARED, or the id of the app to which the service is dedicated.

    Raises: InvalidDependencyChoice, naming the field.
    """
    services: dict[App, UUID | str] = dict.fromkeys(apps.catalog.needs(app), SHARED)
    by_slug = {each.slug: each for each in services}
    for slug, choice in choices.items():
        service, other = by_slug.get(slug), apps.catalog.find(choice)
        wrong = "must be dedicated, or the slug of an installed app that has this dependency"
        if service is None:
            wrong = "the app does not need this"
        elif choice == DEDICATED:
            services[service] = app.id
            continue
        elif choice == slug:
            continue
        elif other in apps.installed and service in apps.catalog.needs(other):
            used = apps.service_of(other, service)
            if used is not None:
                services[service] = used
                continue
        raise InvalidDependencyChoice(fields={f"dep_choices.{slug}"[:100]: [wrong]})
    return services


def _store_uses(
    organization: Organization, app: App, services: Mapping[App, UUID | str], *, missing: Sequence[App]
) -> None:
    """Stores the services that the app does not share. Apps that ran without a missing one share the new one."""
    uses = DependencyUse.objects.filter(organization=organization)
    uses.filter(app_id=app.id).delete()
    uses.filter(service_id__in=[each.id for each in missing], dedicated_to=None).delete()
    DependencyUse.objects.bulk_create(
        DependencyUse(organization=organization, app_id=app.id, service_id=each.id, dedicated_to=used)
        for each, used in services.items()
        if isinstance(used, UUID)
    )


def _plan_steps(apps: list[App]) -> list[Step]:
    names = dict.fromkeys(f"Deploying {app.name}" for app in apps)
    return [Step(name=name) for name in (*names, "Checking the app")]


def _check_plan(plan_id: UUID | None, apps: list[App]) -> None:
    """Checks the smallest plan that each app needs, by the catalog's order of plans.

    An app's minimum size is the slug of a plan. Where the catalog has no such plan, the app fits every plan.

    Raises: PlanTooSmall, which suggests that plan.
    """
    plans = {plan.slug: plan for plan in Plan.objects.all()}
    current = next((plan for plan in plans.values() if plan.id == plan_id), None)
    needed = [(plans[app.minimum_size], app) for app in apps if app.minimum_size in plans]
    if current is None or not needed:
        return
    largest, app = max(needed, key=lambda pair: pair[0].sort_order)
    if current.sort_order >= largest.sort_order:
        return
    offered = [plan for plan in plans.values() if plan.active and plan.sort_order >= largest.sort_order]
    suggested = min(offered, key=lambda plan: plan.sort_order, default=largest)
    message = say(
        "plan %(plan)s is too small for %(app)s: it needs plan %(suggested)s or a larger one",
        plan=current.local_name,
        app=app.local_name,
        suggested=suggested.local_name,
    )
    raise refuse_with_message(PlanTooSmall, message, upgrade_suggestion=suggested.slug)
