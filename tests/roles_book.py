"""Makes the matrix of roles in deploy/books/roles.md from the code."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import Http404
from django.test import RequestFactory
from django.urls import URLPattern, URLResolver, get_resolver
from rest_framework.views import APIView

from billing.actor import STAFF_ROLES
from billing.admin.console.base import RecordAdmin
from billing.api.access.authentication import Principal
from tests.console import create_user

BOOK = Path(__file__).parent.parent / "deploy" / "books" / "roles.md"
INTRODUCTION = """# Roles

A user of the console has one role, which is a group of the same name. A role that is taken away ends the user's
sessions and tokens at once. The limits of [`APPROVAL_LIMITS`](../README.md) say whether an act takes effect or is
only proposed. A draft of a campaign or batch always needs another person, and `support` proposes every correction
of credit and every refund. Nobody approves their own proposal, a superadmin included. A `dealer` sees and activates
only its own ranges. A role reads the same in the console and over the API, but support and auditors see
organizations only in the console.

The tables are made from the code: `WRITE_ROLES_BOOK=1 .venv/bin/pytest tests/config/test_roles_book.py` writes them
anew. The API has more endpoints, which every customer may use. Auditors and superadmins see the mirrored records of
Stripe.
"""
_VERBS = ("GET", "POST", "PUT", "DELETE")


def book() -> str:
    """Returns the whole book."""
    users = {role: create_user(role) for role in STAFF_ROLES}
    heads = " | ".join(role.replace("-", "&#8209;") for role in STAFF_ROLES)
    lines = [INTRODUCTION]
    for title, rows in (("The console", _console_rows(users)), ("The API", _api_rows())):
        lines += [f"## {title}", "", f"| | {heads} |", f"|---|{':-:|' * len(STAFF_ROLES)}", *rows, ""]
    return "\n".join(lines)


def readers_in_console() -> dict[str, set[str]]:
    """Returns the roles that may see each model of the console, by its label."""
    requests = {role: _request_of(create_user(role)) for role in STAFF_ROLES}
    return {
        model._meta.label_lower: {role for role in STAFF_ROLES if page.has_view_permission(requests[role])}
        for model, page in admin.site._registry.items()
    }


def readers_over_api() -> dict[str, set[str]]:
    """Returns the roles that may read each address of the API that only staff may read."""
    readable = [(path, view) for path, view in _api_views(get_resolver().url_patterns, "") if hasattr(view, "get")]
    return {
        path: {role for role in STAFF_ROLES if _may(view, "GET", role)}
        for path, view in readable
        if not _may(view, "GET", "customer")
    }


def _row(name: str, allowed: dict[str, bool]) -> str:
    return f"| {name} | {' | '.join('yes' if allowed[role] else '' for role in STAFF_ROLES)} |"


def _console_rows(users: dict[str, Any]) -> Iterator[str]:
    registered = sorted(admin.site._registry.items(), key=lambda item: item[0]._meta.label_lower)
    for model, model_admin in registered:
        if model._meta.app_label == "djstripe":
            continue
        name = str(model._meta.verbose_name_plural)
        requests = {role: _request_of(user) for role, user in users.items()}
        rights: tuple[tuple[str, Callable[[Any], bool]], ...] = (
            ("see", model_admin.has_view_permission),
            ("add", model_admin.has_add_permission),
            ("change", model_admin.has_change_permission),
        )
        if isinstance(model_admin, RecordAdmin) and type(model_admin).change_view is RecordAdmin.change_view:
            # Its page only shows the record.
            rights = rights[:-1]
        for verb, has in rights:
            allowed = {role: bool(has(request)) for role, request in requests.items()}
            if any(allowed.values()):
                yield _row(f"{name}: {verb}", allowed)
        if isinstance(model_admin, RecordAdmin):
            for route, act, view in (*model_admin.extra_views(), *model_admin.reading_views()):
                allowed = {role: _is_admitted(view, route, request) for role, request in requests.items()}
                yield _row(f"{name}: {act.replace('_', ' ')}", allowed)


# What names no record, by the kind of an address's part.
_NO_RECORD = {"uuid": "00000000-0000-0000-0000-000000000000", "int": 0, "slug": "none", "str": "none"}


def _request_of(user: Any) -> Any:
    request = RequestFactory().get("/admin/")
    request.user = user
    return request


def _is_admitted(view: Callable[..., Any], route: str, request: Any) -> bool:
    """Returns whether a page admits the request. Its record does not exist, so that the page ends there."""
    key = [_NO_RECORD[converter] for converter in re.findall(r"<(\w+):", route)]
    try:
        view(request, *key)
    except PermissionDenied:
        return False
    except Http404:
        return True
    return True


def _api_rows() -> Iterator[str]:
    for path, view in sorted(_api_views(get_resolver().url_patterns, "")):
        for verb in _VERBS:
            if not hasattr(view, verb.lower()):
                continue
            allowed = {role: _may(view, verb, role) for role in STAFF_ROLES}
            if not _may(view, verb, "customer"):
                yield _row(f"`{verb} {path}`", allowed)


def _api_views(patterns: Any, prefix: str) -> Iterator[tuple[str, type[APIView]]]:
    for pattern in patterns:
        path = f"{prefix}{pattern.pattern}"
        if isinstance(pattern, URLResolver):
            yield from _api_views(pattern.url_patterns, path)
        elif isinstance(pattern, URLPattern):
            view = getattr(pattern.callback, "view_class", None)
            if isinstance(view, type) and issubclass(view, APIView):
                yield path.removeprefix("api/"), view


def _may(view: type[APIView], verb: str, role: str) -> bool:
    user = Principal(user_id="book", email="book@example.org", role=role)
    request: Any = SimpleNamespace(user=user, method=verb)
    return all(each.has_permission(request, view()) for each in view().get_permissions())
