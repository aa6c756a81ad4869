"""Starts the installation and the removal of an app: the parts that both have in common."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from billing.actor import Actor
from billing.errors import DomainError
from billing.models import Organization
from billing.use_cases.record_audit import record_audit
from orders.errors import AppBusy, AppNotFound, OrganizationNotRunning
from orders.models import App, AppJob, UnsettledApp
from orders.queries import app_states_of
from orders.use_cases.apps.app_catalog import AppCatalog
from orders.use_cases.provisioning.enqueue_deployment import enqueue_deployment

_RUNNING = (Organization.Status.PROVISIONING, Organization.Status.ACTIVE)


@dataclass(frozen=True, slots=True, kw_only=True)
class AppChange:
    """The answer to a change of an organization's apps. `status` is `queued`, or says why nothing was to be done."""

    status: str
    organization: Organization
    deployed: Sequence[str] = ()


class OrganizationApps:
    """The apps of a locked organization, with what they need, and the states of those that are not settled."""

    def __init__(self, organization: Organization) -> None:
        self.organization = organization
        self.catalog = AppCatalog.load()
        self.installed = self.catalog.in_deployment_order(organization.apps)
        self.states = app_states_of([organization])[organization.id]

    def find(self, slug: str) -> App:
        """Returns an app of the catalog. Raises: AppNotFound."""
        app = self.catalog.find(slug)
        if app is None:
            raise AppNotFound
        return app

    def state_of(self, app: App) -> str:
        return self.states.get(str(app.id), "")

    def check_running(self) -> None:
        """Raises: OrganizationNotRunning."""
        if self.organization.status not in _RUNNING:
            raise OrganizationNotRunning

    def check_not_busy(self, apps: Iterable[App]) -> None:
        """Raises: AppBusy, if a job installs or removes one of the apps."""
        busy = (UnsettledApp.State.INSTALLING, UnsettledApp.State.UNINSTALLING)
        for app in apps:
            if self.state_of(app) in busy:
                raise AppBusy(f"{app.name} is being installed or removed; try again when that is done")

    def dependents_of(self, app: App) -> list[App]:
        """Returns the installed apps that need this one and are not being removed."""
        return [
            each
            for each in self.installed
            if app in self.catalog.needs(each) and self.state_of(each) != UnsettledApp.State.UNINSTALLING
        ]

    def start(self, job: AppJob, *, state: str, by: Actor) -> None:
        """Stores a job with the states of its apps, and enqueues it. Transaction: joins."""
        job.save(force_insert=True)
        for app_id in job.apps:
            UnsettledApp.objects.update_or_create(
                organization=self.organization, app_id=app_id, defaults={"state": state, "job": job}
            )
        before = self.organization.apps
        # What the apps of an order need is installed with them, and is listed from here on.
        self.organization.apps = list(dict.fromkeys([*before, *(str(app.id) for app in self.installed), *job.apps]))
        self.organization.save(update_fields=["apps"])
        record_audit(
            action=f"organization.app_{job.kind}",
            object_type="organization",
            object_id=str(self.organization.id),
            by=by,
            changes={"app": [None, job.app_slug], "apps": [before, self.organization.apps]},
        )
        enqueue_deployment(job)


def refuse_with_message(error: type[DomainError], message: str, **extra: object) -> DomainError:
    """Returns a refusal whose sentence stands in `message` as well, where clients look for it."""
    return error(message, extra={"message": message, **extra})
