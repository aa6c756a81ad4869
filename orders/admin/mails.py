"""The mails to customers and staff, as staff preview them: with invented values, in each language and form."""

from django.conf import settings
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import get_language

from billing.admin.console.display import Column, Panel, Text, code, link, two_lines
from billing.language import say
from orders.use_cases.mail.sample_mails import compose_sample, sample_names

_PERMISSION = "orders.view_order"


def mails_view(request: HttpRequest) -> HttpResponse:
    """Lists the mails, each with links to its forms."""
    _check(request)
    languages = dict(settings.LANGUAGES)
    panel = Panel(
        title="Mails to customers and staff",
        columns=[Column("Mail"), *(Column(name) for name in languages.values())],
        rows=[
            (
                two_lines(
                    compose_sample(name, language=get_language() or settings.LANGUAGE_CODE).subject, code(name)
                ),
                *(_links(name, language) for language in languages),
            )
            for name in sample_names()
        ],
        notes=["The values are invented."],
    )
    context = {
        **admin.site.each_context(request),
        "title": say("Mails"),
        "crumbs": [(say("Mails"), "")],
        "panels": [panel],
    }
    return TemplateResponse(request, "admin/console_page.html", context)


def mail_view(request: HttpRequest, mail: str, language: str) -> HttpResponse:
    """Shows one mail as its reader sees it, or with `?as=text` its plain text."""
    _check(request)
    if mail not in sample_names() or language not in dict(settings.LANGUAGES):
        raise Http404
    composed = compose_sample(mail, language=language)
    if request.GET.get("as") == "text":
        return HttpResponse(f"{composed.subject}\n\n{composed.text}", content_type="text/plain; charset=utf-8")
    return HttpResponse(composed.html)


def _links(name: str, language: str) -> Text:
    address = reverse("admin:orders_order_mail", args=[name, language])
    return format_html("{} · {}", link("HTML", address), link(say("text"), f"{address}?as=text"))


def _check(request: HttpRequest) -> None:
    if request.method not in ("GET", "HEAD") or not request.user.has_perm(_PERMISSION):
        raise PermissionDenied
