"""The API keeps what the last release promised: nothing that a client may rely on is gone or has another type."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from schema_diff.openapi.diff import diff_openapi

from config.web.schema import schema

RELEASES = Path(__file__).parents[1] / "releases"
Description = dict[str, Any]


def described_api() -> Description:
    """Returns the OpenAPI description of this commit, as a client reads it."""
    described: Description = json.loads(json.dumps(schema(), default=str))
    return described


def breaking_changes(old: Description, new: Description) -> list[str]:
    """Returns the changes that can break a client of `old`, each with its place.

    The library counts a field of an answer that is always there from now on, which breaks no client.
    """
    return [
        f"{change.path}: {change.message}"
        for change in diff_openapi(old, new).breaking
        if not (".responses." in change.path and change.message == "Field became required")
    ]


def last_release() -> Description:
    newest = max(RELEASES.glob("*.openapi.json"), key=lambda path: [int(n) for n in path.name.split(".")[:3]])
    described: Description = json.loads(newest.read_text())
    return described


def test_no_change_breaks_a_client_of_the_last_release() -> None:
    assert breaking_changes(last_release(), described_api()) == []


def test_the_description_has_only_what_the_last_release_had_or_more() -> None:
    old, new = last_release()["paths"], described_api()["paths"]
    for path, operations in old.items():
        for method, operation in operations.items():
            assert set(operation["responses"]) <= set(new[path][method]["responses"]), f"{method} {path}"


def _remove_path(described: Description) -> None:
    del described["paths"]["/api/billing/balance"]


def _remove_operation(described: Description) -> None:
    del described["paths"]["/api/tenant/orgs"]["post"]


def _change_type(described: Description) -> None:
    described["components"]["schemas"]["CheckoutAnswer"]["properties"]["order_id"]["type"] = "integer"


def _remove_property(described: Description) -> None:
    del described["components"]["schemas"]["Balance"]["properties"]["entries"]


def _require_property(described: Description) -> None:
    described["components"]["schemas"]["CheckoutRequest"]["required"].append("apps")


def _require_parameter(described: Description) -> None:
    parameter = {"name": "x", "in": "query", "required": True, "schema": {"type": "string"}}
    described["paths"]["/api/tenant/orgs"]["get"]["parameters"].append(parameter)


@pytest.mark.parametrize(
    "break_it",
    [_remove_path, _remove_operation, _change_type, _remove_property, _require_property, _require_parameter],
)
def test_a_breaking_change_is_found(break_it: Callable[[Description], None]) -> None:
    today = described_api()
    changed = copy.deepcopy(today)
    break_it(changed)
    assert breaking_changes(today, changed)
    assert breaking_changes(today, today) == []
