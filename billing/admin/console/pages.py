"""Renders the console's own pages: a record, and a form that asks for input or confirmation."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from django import forms
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.text import capfirst

from billing.admin.console.display import Fact, Text, list_url
from billing.admin.console.submission import Submission

if TYPE_CHECKING:
    from billing.admin.console.base import ConsoleAdmin, RecordAdmin


def record_page(
    admin: "RecordAdmin",
    request: HttpRequest,
    record: Any,
    *,
    form: forms.BaseForm | None = None,
    form_title: str = "",
    submit: str = "Save",
    submission: Submission | None = None,
) -> HttpResponse:
    """Renders the page of a record, with a form to change it if one is given."""
    title = admin.title_of(record)
    context = {
        "title": title,
        "crumbs": [(capfirst(admin.plural), list_url(admin.model_label)), (title, "")],
        "facts": list(admin.facts(request, record)),
        "panels": list(admin.panels(request, record)),
        "tools": list(admin.tools(request, record)),
        "links": list(admin.links(record)),
        "form": form,
        "form_title": form_title,
        "submit": submit,
        "token": submission.token if submission else "",
    }
    return _page(admin, request, context)


def form_page(
    admin: "ConsoleAdmin",
    request: HttpRequest,
    *,
    title: str,
    form: forms.BaseForm,
    submission: Submission,
    submit: str,
    back: str,
    action: str = "",
    parent: tuple[str, str] | None = None,
    facts: Iterable[Fact] = (),
    warning: Text = "",
    danger: bool = False,
    hidden: Iterable[tuple[str, str]] = (),
    confirming: bool = False,
) -> HttpResponse:
    """Renders a page that asks for input or confirmation before a change.

    Args: action: the form's target, if it is not the page itself; parent: title and address of the record that the
    page belongs to; hidden: extra hidden inputs as (name, value); confirming: render the form's own inputs as hidden,
    so that the confirmed values are exactly the checked ones.
    """
    crumbs = [(capfirst(admin.plural), list_url(admin.model_label))]
    context = {
        "title": title,
        "crumbs": [*crumbs, *([parent] if parent else []), (title, "")],
        "facts": list(facts),
        "form": form,
        "token": submission.token,
        "submit": submit,
        "back": back,
        "action": action,
        "warning": warning,
        "danger": danger,
        "hidden": list(hidden),
        "confirming": confirming,
    }
    return _page(admin, request, context)


def _page(admin: "ConsoleAdmin", request: HttpRequest, context: dict[str, Any]) -> HttpResponse:
    request.current_app = admin.admin_site.name
    shared = {**admin.admin_site.each_context(request), "media": admin.media}
    return TemplateResponse(request, "admin/console_page.html", {**shared, **context})
