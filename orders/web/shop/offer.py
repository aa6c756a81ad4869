"""The catalog as the shop offers it. Each list is read when a page first uses it: one query each."""

from functools import cached_property

from orders.models import AddOn, App, Bundle, Industry, Plan
from orders.use_cases.apps.app_catalog import AppCatalog


class Offer:
    """The plans, add-ons, apps, industries and bundles that can be bought now."""

    @cached_property
    def plans(self) -> list[Plan]:
        return list(Plan.objects.filter(active=True))

    @cached_property
    def addons(self) -> list[AddOn]:
        return list(AddOn.objects.filter(active=True))

    @cached_property
    def industries(self) -> list[Industry]:
        return list(Industry.objects.filter(active=True))

    @cached_property
    def bundles(self) -> list[Bundle]:
        return list(Bundle.objects.filter(active=True))

    @cached_property
    def apps(self) -> list[App]:
        """The apps that customers choose, without the services that other apps need."""
        return [app for app in self._all_apps if app.active and app.deployable and not app.system]

    def with_dependencies(self, apps: list[App]) -> list[App]:
        """Returns the apps and everything that they need, each once."""
        return AppCatalog(self._all_apps).in_deployment_order([app.slug for app in apps])

    @cached_property
    def _all_apps(self) -> list[App]:
        return list(App.objects.all())
