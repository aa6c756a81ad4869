"""Renders the console's own pages: a record, and a form that asks for input or confirmation."""

import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from django import forms
from django.apps import apps
from django.contrib.admin import site
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.template.response import SimpleTemplateResponse, TemplateResponse
from django.urls import reverse
from django.utils.safestring import SafeString, mark_safe
from django.utils.text import capfirst
from django.utils.translation import gettext

from billing.admin.console.display import Fact, Panel, Text, list_url
from billing.admin.console.submission import Submission
from billing.database.replica import note_failure, reading_from_replica

if TYPE_CHECKING:
    from billing.admin.console.base import ConsoleAdmin, RecordAdmin

# As display.link() writes it.
_LINK = re.compile(r'<a class="ref" href="([^"]*)">(.*?)</a>', re.DOTALL)


def record_page(
    admin: "RecordAdmin",
    request: HttpRequest,
    record: Any,
    *,
    form: forms.BaseForm | None = None,
    form_title: str = "",
    submit: str = "Save",
    submission: Submission | None = None,
    more_submits: Iterable[tuple[str, str]] = (),
    more_panels: Iterable[Panel] = (),
) -> HttpResponse:
    """Renders the page of a record, with a form to change it if one is given.

    Args: more_panels: shown before those of the record; others as for `form_page`.
    """
    title = admin.title_of(record)
    context = {
        "title": title,
        "crumbs": [(capfirst(admin.plural), list_url(admin.model_label)), (title, "")],
        "facts": [_open_fact(request, fact) for fact in admin.facts(request, record)],
        "panels": [open_panel(request, panel) for panel in (*more_panels, *admin.panels(request, record))],
        "tools": list(admin.tools(request, record)),
        "links": [each for each in admin.links(record) if may_open(request, each.url)],
        "form": form,
        "form_title": gettext(form_title),
        "submit": gettext(submit),
        "more_submits": [(name, gettext(title)) for name, title in more_submits],
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
    more_submits: Iterable[tuple[str, str]] = (),
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

    Args: more_submits: further buttons as (name, title); action: the form's target, if it is not the page itself;
    parent: title and address of the record that the page belongs to; hidden: extra hidden inputs as (name, value);
    confirming: render the form's own inputs as hidden, so that the confirmed values are exactly the checked ones.
    """
    title = gettext(title)
    crumbs = [(capfirst(admin.plural), list_url(admin.model_label))]
    context = {
        "title": title,
        "crumbs": [*crumbs, *([parent] if parent else []), (title, "")],
        "facts": list(facts),
        "form": form,
        "token": submission.token,
        "submit": gettext(submit),
        "more_submits": [(name, gettext(title)) for name, title in more_submits],
        "back": back,
        "action": action,
        "warning": gettext(warning),
        "danger": danger,
        "hidden": list(hidden),
        "confirming": confirming,
    }
    return _page(admin, request, context)


def read_page(admin: "RecordAdmin", request: HttpRequest, make_page: Callable[[], HttpResponse]) -> HttpResponse:
    """Makes a page that only shows something, from the replica if the admin's pages may be read there."""
    if not admin.reads_replica:
        return make_page()
    # What the reader may do is read from the primary, and kept for this request.
    admin.has_view_permission(request)
    source = None
    try:
        with reading_from_replica() as source:
            request.read_from = source  # type: ignore[attr-defined]
            page = make_page()
            if isinstance(page, SimpleTemplateResponse):
                page.render()
            return page
    except (OperationalError, InterfaceError):
        if source is None or not source.is_replica:
            raise
    request.read_from = note_failure()  # type: ignore[attr-defined]
    return make_page()


def may_open(request: HttpRequest, url: str) -> bool:
    """Tells whether this member of staff sees the model to which a page of the console belongs."""
    app, _, rest = url.partition("?")[0].removeprefix(reverse("admin:index")).partition("/")
    try:
        model = apps.get_model(app, rest.partition("/")[0])
    except (LookupError, ValueError):
        return True
    return not site.is_registered(model) or site.get_model_admin(model).has_view_permission(request)


def without_closed_links(request: HttpRequest, text: Text) -> Text:
    """Keeps the words of links that this member of staff may not follow."""
    if not isinstance(text, SafeString):
        return text

    def keep(found: re.Match[str]) -> str:
        return found[0] if may_open(request, found[1]) else found[2]

    return mark_safe(_LINK.sub(keep, text))  # noqa: S308 - a part of a text that is safe


def drop_closed_links(request: HttpRequest, response: HttpResponse) -> None:
    """Replaces the links of a rendered page that this member of staff may not follow by their words."""
    response.content = without_closed_links(request, mark_safe(response.content.decode()))  # noqa: S308 - a rendered page


def _open_fact(request: HttpRequest, fact: Fact) -> Fact:
    return fact._replace(value=without_closed_links(request, fact.value))


def open_panel(request: HttpRequest, panel: Panel) -> Panel:
    """Returns the panel with only the links that this member of staff may follow."""
    return replace(
        panel,
        rows=[[without_closed_links(request, cell) for cell in row] for row in panel.rows],
        facts=[_open_fact(request, fact) for fact in panel.facts],
        more_url=panel.more_url if may_open(request, panel.more_url) else "",
    )


def _page(admin: "ConsoleAdmin", request: HttpRequest, context: dict[str, Any]) -> HttpResponse:
    request.current_app = admin.admin_site.name
    shared = {**admin.admin_site.each_context(request), "media": admin.media}
    return TemplateResponse(request, "admin/console_page.html", {**shared, **context})
