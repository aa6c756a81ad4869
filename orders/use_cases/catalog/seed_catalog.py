import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from django.db import transaction

from orders.errors import PriceNotChargeable
from orders.models import AddOn, App, Bundle, Industry, Plan
from orders.models.catalog import CatalogItem, catalog_id
from orders.use_cases.catalog.check_price import check_price

_FIXTURE = Path(__file__).parents[2] / "fixtures" / "starting_catalog.json"

_KINDS: tuple[tuple[str, str, type[CatalogItem]], ...] = (
    ("plans", "plan", Plan),
    ("addons", "addon", AddOn),
    ("apps", "app", App),
    ("industries", "industry", Industry),
    ("bundles", "bundle", Bundle),
)


def seed_catalog() -> dict[str, int]:
    """Adds the starting catalog. Existing items stay as staff left them.

    Returns: the number of items added, by section. Transaction: owns. Idempotency: a second call adds nothing.
    Raises: PriceNotChargeable, naming each price that Stripe cannot charge in this deployment's currency.
    """
    catalog = _read_catalog()
    added: dict[str, int] = {}
    with transaction.atomic():
        for section, kind, model in _KINDS:
            present = set(model._default_manager.values_list("slug", flat=True))
            missing = [
                model(id=catalog_id(kind, facts["slug"]), **facts)
                for facts in catalog[section]
                if facts["slug"] not in present
            ]
            _check_prices(missing)
            model._default_manager.bulk_create(missing, ignore_conflicts=True)
            added[section] = len(missing)
    return added


def fill_arabic_texts() -> int:
    """Gives the items of an older starting catalog its Arabic texts.

    A text is filled in where it is empty and its English one is still the starting catalog's: staff changed neither.

    Returns: the number of texts filled in. Transaction: owns. Idempotency: a second call fills in nothing.
    """
    catalog, filled = _read_catalog(), 0
    with transaction.atomic():
        for section, kind, model in _KINDS:
            for facts in catalog[section]:
                seeded = model._default_manager.filter(pk=catalog_id(kind, facts["slug"]))
                for name in filter(_is_arabic, facts):
                    english = name.removesuffix("_ar")
                    untouched = seeded.filter(**{name: type(facts[name])(), english: facts[english]})
                    filled += untouched.update(**{name: facts[name]})
    return filled


def _is_arabic(field: str) -> bool:
    return field.endswith("_ar")


def _read_catalog() -> dict[str, list[dict[str, Any]]]:
    catalog: dict[str, list[dict[str, Any]]] = json.loads(_FIXTURE.read_text(encoding="utf-8"))
    return catalog


def _check_prices(items: Sequence[CatalogItem]) -> None:
    refusals: dict[str, list[str]] = {}
    for item in items:
        try:
            check_price(getattr(item, "price_minor", 0))
        except PriceNotChargeable as error:
            refusals[item.slug] = [error.text]
    if refusals:
        sentences = "; ".join(f"{slug}: {sentence}" for slug, [sentence] in refusals.items())
        raise PriceNotChargeable(f"the starting catalog was not added: {sentences}", fields=refusals)
