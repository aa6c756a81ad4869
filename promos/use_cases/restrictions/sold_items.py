"""The items that a restriction can name. The app that has the catalog lists them (`sold_items` of its AppConfig)."""

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import NamedTuple

from django.apps import apps
from django.utils.module_loading import import_string

from billing.language import in_language


class SoldItem(NamedTuple):
    """A plan or an add-on. Its id is a UUID as text; `offered` is false once it is retired."""

    id: str
    slug: str
    name: str
    name_ar: str
    offered: bool

    @property
    def local_name(self) -> str:
        """The name in the active language."""
        return in_language(self.name, self.name_ar)


# All items by rule: "plans" and "addons".
SoldItems = Mapping[str, Sequence[SoldItem]]


def load_sold_items() -> SoldItems:
    """Returns all plans and add-ons that are or were sold. One query."""
    return _loader()()


@cache
def _loader() -> Callable[[], SoldItems]:
    [path] = [path for app in apps.get_app_configs() if (path := getattr(app, "sold_items", ""))]
    loader: Callable[[], SoldItems] = import_string(path)
    return loader
