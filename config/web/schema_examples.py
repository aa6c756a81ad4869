"""Examples of the OpenAPI description, made from its types: every request and every successful answer has one.

They are made and not written down, so they have exactly the fields of the description. Names that a reader knows
(an e-mail address, a slug, an amount) get a value that looks like one.
"""

from collections.abc import Mapping
from typing import Any

Description = dict[str, Any]

_ID = "01a206fe-653f-7ea1-b44b-2f6c0a418148"
_MOMENT = "2026-11-23T06:01:05.086530Z"
_JSON = "application/json"
_OF_FORMATS = {"uuid": _ID, "date-time": _MOMENT, "email": "ada@example.org", "uri": "https://shop.example.om/"}
_OF_TYPES: dict[str, Any] = {"string": "text", "integer": 1, "number": 1, "boolean": True}
# Amounts agree with each other: 5 OMR are 5,000 baisa.
_OF_ENDINGS: dict[str, Any] = {"_omr": 5, "_minor": 5_000, "_baisa": 5_000, "_id": _ID, "_at": _MOMENT}
_OF_NAMES: dict[str, Any] = {
    "addons": "daily-backup",
    "app_slug": "wordpress",
    "app_slugs": "wordpress",
    "apps": "wordpress",
    "avatar_url": "https://pictures.example/ada.png",
    "category": "database",
    "code": "WELCOME50",
    "credit_balance": 5,
    "currency": "OMR",
    "current_period_end": "2026-12-23T06:01:05.086530Z",
    "description": "Welcome",
    "domain": "shop.example.com",
    "email": "ada@example.org",
    "expires_at": "2026-12-23T06:01:05.086530Z",
    "id": _ID,
    "message": "Done.",
    "name": "Ada Bakery",
    "otp": "123456",
    "password": "correct horse battery staple",
    "plan_id": _ID,
    "promo_code": "WELCOME50",
    "redirect_uri": "https://shop.example.om/callback",
    "reason": "spring",
    "refresh_token": "kK3vZr0yq8bX2mN5pT7wA1cD4eF6gH9jL0sU3vW5xYz",
    "role": "member",
    "slug": "ada-bakery",
    "subdomain": "ada-bakery",
    "tld": "sovereign.example",
    "url": "https://shop.example.com/hooks",
    "token": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhZGEifQ.c2lnbmF0dXJl",
}
_MAX_DEPTH = 8


def add_examples(result: Description, generator: Any, request: Any, public: bool) -> Description:
    """Adds an example to each request, and to each answer but errors, that has none. A hook of drf-spectacular."""
    schemas = result.get("components", {}).get("schemas", {})
    for operations in result["paths"].values():
        for operation in operations.values():
            for part in (operation.get("requestBody", {}), *operation["responses"].values()):
                content = part.get("content", {}).get(_JSON, {})
                is_error = content.get("schema", {}).get("$ref", "").endswith("/Error")
                if "schema" in content and not is_error and not content.keys() & {"example", "examples"}:
                    content["example"] = make_example(content["schema"], schemas)
    return result


def make_example(schema: Mapping[str, Any], schemas: Mapping[str, Any], name: str = "", depth: int = 0) -> Any:
    """Returns a value that is valid by the schema.

    Args: name: the field's name, which chooses a value that looks right.
    """
    if "$ref" in schema:
        return make_example(schemas[schema["$ref"].rpartition("/")[2]], schemas, name, depth)
    known = [schema.get("example"), schema.get("const"), schema.get("default"), *schema.get("enum", [])]
    first = next((value for value in known if value is not None), None)
    if first is not None:
        return first
    for combined in ("oneOf", "anyOf", "allOf"):
        # Beside fields of its own, a combination only says which of them are required.
        if combined in schema and "properties" not in schema:
            return make_example(schema[combined][0], schemas, name, depth)
    kinds = schema.get("type", "object")
    kind = kinds if isinstance(kinds, str) else next(each for each in kinds if each != "null")
    if kind not in ("array", "object"):
        return _scalar(schema, kind, name)
    parts = {} if depth > _MAX_DEPTH else schema.get("properties", {})
    if kind == "object":
        return {field: make_example(part, schemas, field, depth + 1) for field, part in parts.items()}
    return [make_example(schema.get("items", {}), schemas, name, depth + 1)] if depth <= _MAX_DEPTH else []


def _scalar(schema: Mapping[str, Any], kind: str, name: str) -> Any:
    candidates = [
        # A list of ids has a name that stands for slugs elsewhere; the end of a period is later than its start.
        _OF_FORMATS.get(str(schema.get("format"))) if schema.get("format") != "date-time" else None,
        _OF_NAMES.get(name),
        _OF_FORMATS.get(str(schema.get("format"))),
        *(value for ending, value in _OF_ENDINGS.items() if name.endswith(ending)),
        _OF_TYPES[kind],
    ]
    wanted: tuple[type, ...] = {"string": (str,), "boolean": (bool,)}.get(kind, (int,))
    return next(each for each in candidates if type(each) in wanted)
