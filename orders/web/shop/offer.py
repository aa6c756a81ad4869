"""The catalog as the shop offers it. Each list is read when a page first uses it: one query each."""

from functools import cached_property

from django.conf import settings
from django.utils import timezone

from orders.models import AddOn, App, Bundle, Industry, OrderLine, Plan
from orders.models.basket import Line
from orders.models.charge import price_with_vat
from orders.use_cases.apps.app_catalog import AppCatalog
from orders.use_cases.documents.vat import load_rates, points_at


class Offer:
    """The plans, add-ons, apps, industries and bundles that can be bought now."""

    @cached_property
    def plans(self) -> list[Plan]:
        return list(Plan.objects.filter(active=True))

    @cached_property
    def addons(self) -> list[AddOn]:
        return list(AddOn.objects.filter(active=True))

    def price_of(self, item: Plan | AddOn) -> int:
        """Returns what the item costs a month, with VAT, as the checkout charges it."""
        return price_with_vat(item.price_minor, self.added_points, currency=settings.SOVEREIGN_CURRENCY)

    def line_of(self, kind: OrderLine.Kind, item: Plan | AddOn) -> Line:
        """Returns the item as a line of an order of today."""
        net_minor = None if settings.PRICES_INCLUDE_VAT else item.price_minor
        price_minor = self.price_of(item)
        return Line(
            kind=kind,
            item_id=item.id,
            slug=item.slug,
            name=item.name,
            name_ar=item.name_ar,
            price_minor=price_minor,
            net_minor=net_minor,
        )

    @cached_property
    def added_points(self) -> int:
        return 0 if settings.PRICES_INCLUDE_VAT else points_at(load_rates(), timezone.now())

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
