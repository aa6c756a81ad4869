import json
from pathlib import Path
from typing import Any

from django.db import transaction

from orders.models import AddOn, App, Bundle, Industry, Plan
from orders.models.catalog import CatalogItem, catalog_id

_CATALOG = Path(__file__).parents[2] / "fixtures" / "starting_catalog.json"

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
    """
    catalog: dict[str, list[dict[str, Any]]] = json.loads(_CATALOG.read_text(encoding="utf-8"))
    added: dict[str, int] = {}
    with transaction.atomic():
        for section, kind, model in _KINDS:
            present = set(model._default_manager.values_list("slug", flat=True))
            missing = [
                model(id=catalog_id(kind, facts["slug"]), **facts)
                for facts in catalog[section]
                if facts["slug"] not in present
            ]
            model._default_manager.bulk_create(missing, ignore_conflicts=True)
            added[section] = len(missing)
    return added
