"""The apps of an organization, and the services that they share or have of their own."""

from collections.abc import Container, Iterable
from uuid import UUID

from billing.language import say
from billing.models import Organization
from orders.errors import AppBusy, AppNotFound, OrganizationNotRunning
from orders.models import App, DependencyUse, UnsettledApp
from orders.queries.organizations import app_states_of
from orders.use_cases.apps.app_catalog import AppCatalog

_RUNNING = (Organization.Status.PROVISIONING, Organization.Status.ACTIVE)
SHARED = "shared"


class OrganizationApps:
    """The apps of a locked organization, with what they need, and the states of those that are not settled.

    A service that apps need runs once for all that share it, and once for each app that has one of its own.
    """

    def __init__(self, organization: Organization) -> None:
        self.organization = organization
        self.catalog = AppCatalog.load()
        self.uses = {
            (use.app_id, use.service_id): use.dedicated_to
            for use in DependencyUse.objects.filter(organization=organization)
        }
        removed = {use for use, dedicated_to in self.uses.items() if dedicated_to is None}
        self.installed = self.catalog.in_deployment_order(organization.apps, without=removed)
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
                raise AppBusy(
                    say("%(app)s is being installed or removed; try again when that is done", app=app.local_name)
                )

    def service_of(self, app: App, service: App) -> UUID | str | None:
        """Returns which service an app uses: the id of the app that it is dedicated to, SHARED, or None for none."""
        return self.uses.get((app.id, service.id), SHARED)

    def dependents_of(self, service: App, *, leaving: Container[App] = ()) -> list[App]:
        """Returns the installed apps that use a service, whichever it is, and are not being removed."""
        return [
            each
            for each in self.installed
            if each not in leaving
            and service in self.catalog.needs(each)
            and self.service_of(each, service) is not None
            and self.state_of(each) != UnsettledApp.State.UNINSTALLING
        ]

    def has_shared(self, service: App) -> bool:
        """Returns whether the service is there for all apps to share, not only dedicated to some."""
        if service not in self.installed:
            return False
        used = {self.service_of(each, service) for each in self.dependents_of(service)}
        return SHARED in used or not used
