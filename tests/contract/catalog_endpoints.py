"""Valid and invalid requests of the catalog's administration."""

from collections.abc import Mapping, Sequence
from typing import Any

from tests.contract.invalid_values import NOT_BOOLEAN, NOT_SCALAR, NOT_TEXT, SUSPICIOUS_TEXTS

PRICED = {"price_omr": 12.5}
PLAN = {
    "slug": "{slug}",
    "name": "New",
    **PRICED,
    "description": "For a shop.",
    "cpu": "2 vCPU",
    "memory": "4 GB",
    "storage": "25 GB",
    "popular": True,
    "sort_order": 7,
    "features": ["fast"],
    "name_ar": "جديدة",
    "description_ar": "للمتاجر.",
    "features_ar": ["سريعة"],
    "stripe_price_id": "price_1",
}
ADDON = {
    "slug": "{slug}",
    "name": "New",
    **PRICED,
    "description": "Safe.",
    "included": False,
    "category": "safety",
} | {
    "name_ar": "جديدة",
    "description_ar": "آمنة.",
}
APP = {
    "slug": "{slug}",
    "name": "New",
    "tagline": "Pages",
    "description": "Makes pages.",
    "category": "cms",
    "icon": "page",
    "icon_bg": "#111111",
    "color": "#222222",
    "free": False,
    "featured": True,
    "popular": True,
    "features": ["pages"],
    "website": "https://example.org",
    "license": "MIT",
    "dependencies": ["mariadb"],
    "system": True,
    "kind": "database",
    "shareable": True,
    "deployable": False,
    "minimum_size": "s",
    "recommended_size": "m",
    "ram_mb": 256,
    "cpu_milli": 250,
    "disk_gb": 5,
    "name_ar": "جديد",
    "tagline_ar": "صفحات",
    "description_ar": "ينشئ الصفحات.",
    "category_ar": "محتوى",
    "features_ar": ["صفحات"],
}
INDUSTRY = {
    "slug": "{slug}",
    "name": "New",
    "emoji": "\U0001f3e5",
    "description": "For clinics.",
    "suggested_apps": ["wordpress"],
    "bundle": "starter",
    "display_order": 3,
    "name_ar": "العيادات",
    "description_ar": "للعيادات.",
}
BUNDLE = {
    "slug": "{slug}",
    "name": "New",
    "tagline": "All",
    "apps": ["wordpress"],
    "discount": 20,
    "recommended_size": "m",
}
BODIES: Mapping[str, Mapping[str, Any]] = {
    "plans": PLAN,
    "apps": APP,
    "addons": ADDON,
    "industries": INDUSTRY,
    "bundles": BUNDLE,
}

_SHORT = ("x" * 201, "x" * 100_000, *NOT_TEXT)
_LISTS: tuple[Any, ...] = (5, True, "wordpress", {}, [5], [None], [[]], [{}], [""], ["x" * 10_001], ["x"] * 1_001)
_NUMBERS = (1.5, 2**31, -(2**31), 10**40, "3", "", True, *NOT_SCALAR)
_FLAGS = ("included", "popular", "featured", "free", "system", "shareable", "deployable")
_BY_FIELD: dict[str, Sequence[Any]] = {
    "slug": (None, "", "  ", "a b", "x" * 51, "01890000-0000-7000-8000-000000000000", *SUSPICIOUS_TEXTS, *NOT_TEXT),
    "name": (None, "", "   ", "x" * 101, *NOT_TEXT),
    "price_omr": (-1, 0.0001, 9.995, 0.15, 1e13, "5", "NaN", True, *NOT_SCALAR),
    **dict.fromkeys(("description", "description_ar"), ("x" * 50_001, *NOT_TEXT)),
    "website": ("nonsense", "javascript:alert(1)", "https://example.org/" + "x" * 200, *NOT_TEXT),
    "kind": (None, "", "x" * 21, *NOT_TEXT),
    "discount": (101, -1, *_NUMBERS),
    **dict.fromkeys(("features", "features_ar", "dependencies", "suggested_apps", "apps"), _LISTS),
    **dict.fromkeys(("sort_order", "display_order"), _NUMBERS),
    **dict.fromkeys(("ram_mb", "cpu_milli", "disk_gb"), (-1, *_NUMBERS)),
    **dict.fromkeys(_FLAGS, NOT_BOOLEAN),
}


def _invalid(field: str) -> Sequence[Any]:
    return _BY_FIELD.get(field, ("x" * 256, *NOT_TEXT) if field == "stripe_price_id" else _SHORT)


INVALID: Mapping[str, Mapping[str, Sequence[Any]]] = {
    kind: {field: _invalid(field) for field in body} for kind, body in BODIES.items()
}
