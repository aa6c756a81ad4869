"""Finds the apps that an app needs, in the catalog. Pure, apart from loading it."""

from collections.abc import Container, Iterable
from typing import Self
from uuid import UUID

from orders.models import App


class AppCatalog:
    """Every app of the catalog, also those that are no longer offered: organizations still run them."""

    def __init__(self, apps: Iterable[App]) -> None:
        self._by_reference: dict[str, App] = {}
        for app in apps:
            self._by_reference[app.slug] = self._by_reference[str(app.id)] = app

    @classmethod
    def load(cls) -> Self:
        """Loads every app. One query."""
        return cls(App.objects.all())

    def find(self, reference: str) -> App | None:
        """Returns the app of this id or slug."""
        return self._by_reference.get(reference)

    def dependencies_of(self, app: App) -> list[App]:
        """Returns the apps that this one needs itself. A dependency that the catalog does not have is left out."""
        return [found for slug in app.dependencies if (found := self.find(slug)) is not None and found != app]

    def in_deployment_order(
        self, references: Iterable[str], *, without: Container[tuple[UUID, UUID]] = ()
    ) -> list[App]:
        """Returns these apps and everything that they need, each once and after what it needs.

        Args: without: apps with the dependencies that they do without, both by id.
        """
        ordered: dict[App, None] = {}
        entered: set[App] = set()

        def add(app: App) -> None:
            if app in entered:
                return
            entered.add(app)
            for dependency in self.dependencies_of(app):
                if (app.id, dependency.id) not in without:
                    add(dependency)
            ordered[app] = None

        for reference in references:
            if found := self.find(reference):
                add(found)
        return list(ordered)

    def needs(self, app: App) -> list[App]:
        """Returns everything that the app needs, itself excluded."""
        return [each for each in self.in_deployment_order([app.slug]) if each != app]
