from collections.abc import Mapping
from uuid import UUID

from django.db import transaction

from billing.actor import Actor
from billing.organization_roles import Act
from billing.use_cases.organizations.authorize_act import authorize_act
from orders.errors import AppNotDeployable, AppNotFound, InvalidDependencyChoice, PlanTooSmall
from orders.models import App, AppJob, Plan, UnsettledApp
from orders.models.step import Step, as_rows
from orders.use_cases.apps.change_apps import AppChange, OrganizationApps, refuse_with_message

DEDICATED = "dedicated"


def install_app(*, organization_id: UUID, slug: str, dep_choices: Mapping[str, str], by: Actor) -> AppChange:
    """Installs an app with the dependencies that are not there yet, by one job.

    Args: dep_choices: by a dependency's slug, `dedicated` for one of the app's own, or the slug of the installed app
    whose dependency it shares. Without a choice, a dependency that is there is shared.
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
        needs = apps.catalog.needs(app)
        _check_choices(dep_choices, needs, apps)
        apps.check_running()
        if is_installed and apps.state_of(app) != UnsettledApp.State.UNINSTALLING:
            return AppChange(status="already_installed", organization=organization)
        failed = UnsettledApp.State.FAILED
        missing = [each for each in needs if each not in apps.installed or apps.state_of(each) == failed]
        _check_plan(organization.plan_id, [*missing, app])
        # A dependency that another job installs at present is there when this job runs.
        apps.check_not_busy([app])
        apps.check_not_busy(each for each in needs if apps.state_of(each) == UnsettledApp.State.UNINSTALLING)
        own = [each for each in needs if dep_choices.get(each.slug) == DEDICATED and each not in missing]
        job = AppJob(
            organization=organization,
            kind=AppJob.Kind.INSTALL,
            app_id=app.id,
            app_slug=app.slug,
            app_name=app.name,
            apps=[str(each.id) for each in (*missing, app)],
            dep_choices=dict(dep_choices),
            steps=as_rows(_plan_steps([*own, *missing, app])),
        )
        apps.start(job, state=UnsettledApp.State.INSTALLING, by=by)
        return AppChange(status="queued", organization=organization, deployed=job.apps)


def _plan_steps(apps: list[App]) -> list[Step]:
    names = dict.fromkeys(f"Deploying {app.name}" for app in apps)
    return [Step(name=name) for name in (*names, "Checking the app")]


def _check_choices(choices: Mapping[str, str], needs: list[App], apps: OrganizationApps) -> None:
    """Raises: InvalidDependencyChoice, naming the field."""
    by_slug = {each.slug: each for each in needs}
    for slug, choice in choices.items():
        dependency, shared = by_slug.get(slug), apps.catalog.find(choice)
        if dependency is None:
            wrong = "the app does not need this"
        elif choice in (DEDICATED, slug):
            continue
        elif shared in apps.installed and dependency in apps.catalog.needs(shared):
            continue
        else:
            wrong = "must be dedicated, or the slug of an installed app that has this dependency"
        raise InvalidDependencyChoice(fields={f"dep_choices.{slug}"[:100]: [wrong]})


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
    message = f"plan {current.name} is too small for {app.name}: it needs plan {suggested.name} or a larger one"
    raise refuse_with_message(PlanTooSmall, message, upgrade_suggestion=suggested.slug)
