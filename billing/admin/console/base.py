"""What every page of the console shares: who may, lists that never count, records, and forms that confirm.

A record's page is facts and tables, and its changes are forms of their own that call a use case; Django's
automatic form serves only what is edited field by field (the catalog, staff). Nothing is ever deleted here.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from django import forms
from django.contrib import messages
from django.contrib.admin import ShowFacets
from django.contrib.admin.utils import unquote
from django.contrib.admin.views.main import PAGE_VAR
from django.core.exceptions import PermissionDenied, ValidationError
from django.core.paginator import Paginator
from django.db import IntegrityError
from django.db.models import Model, Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.text import capfirst

from billing.admin.console.display import Fact, Panel, Text, Tool, list_url
from billing.admin.console.request_actor import actor_of
from billing.use_cases.record_audit import record_audit

if TYPE_CHECKING:
    # The skin carries no types of its own, and overrides nothing that is typed here.
    from django.contrib.admin import ModelAdmin
    from django.contrib.admin.views.main import ChangeList
else:
    from unfold.admin import ModelAdmin
    from unfold.views import ChangeList

LIST_LENGTH = 50
View = Callable[..., HttpResponse]


class Change(NamedTuple):
    """What a form changed, field → [before, after], and why."""

    fields: dict[str, list[Any]]
    reason: str


class KeysetPaginator(Paginator):  # type: ignore[type-arg]
    """Only what the list's template asks of a paginator; nothing is counted."""

    template_name = "admin/keyset_pagination.html"


class KeysetChangeList(ChangeList):
    """Newest first by primary key, and the next page from the last key: page 1000 costs what page 1 costs.

    The keys are UUIDs of version 7 or sequences, so their order is that of time, and their index serves it.
    """

    before: str = ""
    older: str = ""

    def get_ordering(self, request: HttpRequest, queryset: QuerySet[Any]) -> list[Any]:
        return ["-pk"]

    def get_results(self, request: HttpRequest) -> None:
        rows = self.queryset
        start = request.GET.get(PAGE_VAR, "")
        try:
            if start:
                rows = rows.filter(pk__lt=self.model._meta.pk.to_python(start))
                self.before = start
        except ValidationError:
            pass  # not a key: the first page
        found = list(rows[: self.list_per_page + 1])
        self.result_list = found[: self.list_per_page]
        if len(found) > self.list_per_page:
            self.older = self.get_query_string({PAGE_VAR: str(self.result_list[-1].pk)})
        self.newest = self.get_query_string(remove=[PAGE_VAR])
        self.result_count = self.full_result_count = len(self.result_list)
        self.paginator = KeysetPaginator(self.result_list, self.list_per_page)
        self.show_admin_actions = bool(self.result_list)
        self.can_show_all = self.multi_page = False


class ConsoleAdmin(ModelAdmin):  # type: ignore[type-arg]
    """A model of the console: nothing is deleted, and what is changed is audited with who, when, where and why."""

    noun = ""
    nouns = ""
    add_title = ""
    # Query parameters by which other pages narrow this list → what they are called.
    narrow_by: Mapping[str, str] = {}
    list_per_page = LIST_LENGTH
    list_max_show_all = 0
    list_before_template = "admin/narrowed.html"
    show_add_link = False
    show_full_result_count = False
    show_facets = ShowFacets.NEVER
    compressed_fields = True
    audit_name = ""

    @property
    def singular(self) -> str:
        return self.noun or str(self.opts.verbose_name)

    @property
    def plural(self) -> str:
        return self.nouns or str(self.opts.verbose_name_plural)

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest) -> bool:
        """Only what the console's own links and filters ask: other fields may not bear every value."""
        return lookup in self.narrow_by or any(lookup in _parameters(each) for each in self.get_list_filter(request))

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        narrowed = [(title, request.GET[name]) for name, title in self.narrow_by.items() if request.GET.get(name)]
        context = {
            "title": capfirst(self.plural),
            "crumbs": [(capfirst(self.plural), "")],
            "add_title": self.add_title or f"Add {self.singular}",
            "narrowed": narrowed,
            "list_url": list_url(self.model_label),
        }
        response: HttpResponse = super().changelist_view(request, {**context, **(extra_context or {})})
        return response

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        context = {
            "show_save_and_add_another": False,
            "show_save_and_continue": False,
            "crumbs": [(capfirst(self.plural), list_url(self.model_label)), (self._crumb(object_id), "")],
            "links": self.form_links(request, object_id) if object_id else [],
        }
        try:
            response: HttpResponse = super().changeform_view(
                request, object_id, form_url, {**context, **(extra_context or {})}
            )
        except IntegrityError:
            # The form found it free; then somebody else took it.
            messages.error(request, "Somebody saved the same meanwhile; nothing was changed. Look again.")
            return HttpResponseRedirect(request.get_full_path())
        return response

    def response_action(  # type: ignore[override] # the stubs are of a newer Django
        self, request: HttpRequest, queryset: QuerySet[Any]
    ) -> HttpResponse | None:
        try:
            return super().response_action(request, queryset)
        except ValidationError:
            messages.error(request, "What was selected is not in this list.")
            return HttpResponseRedirect(request.get_full_path())

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The audit trail is the history; who may read it finds it there."""
        return HttpResponseRedirect(
            list_url("billing_auditentry", object_type=self._audited, object_id=unquote(object_id))
        )

    # Django keeps a log of its own; here the audit trail takes its place.

    def construct_change_message(  # type: ignore[override]
        self, request: HttpRequest, form: forms.BaseForm, formsets: Any, add: bool = False
    ) -> Change:
        """What changed and why, for the audit entry."""
        fields = {
            name: [None if add else _plain(form.initial.get(name)), _plain(form.cleaned_data.get(name))]
            for name in (form.fields if add else form.changed_data)
            if name in form.cleaned_data and name != "reason" and "password" not in name
        }
        return Change(fields=fields, reason=form.cleaned_data.get("reason", ""))

    def log_addition(self, request: HttpRequest, obj: Any, message: Change) -> None:  # type: ignore[override]
        self._audit(request, obj, "created", message)

    def log_change(self, request: HttpRequest, obj: Any, message: Change) -> None:  # type: ignore[override]
        if message.fields:
            self._audit(request, obj, "changed", message)

    def _audit(self, request: HttpRequest, obj: Any, verb: str, change: Change) -> None:
        record_audit(
            action=f"{self._audited}.{verb}",
            object_type=self._audited,
            object_id=str(obj.pk),
            by=actor_of(request),
            changes=change.fields,
            reason=change.reason,
        )

    @property
    def _audited(self) -> str:
        return self.audit_name or str(self.opts.model_name)

    @property
    def model_label(self) -> str:
        """As addresses name the model: `billing_customer`."""
        return f"{self.opts.app_label}_{self.opts.model_name}"

    def _crumb(self, object_id: str | None) -> str:
        return capfirst(self.singular) if object_id else self.add_title or f"Add {self.singular}"

    def form_links(self, request: HttpRequest, object_id: str) -> list[Tool]:
        """Where an item's form leads."""
        if not request.user.has_perm("billing.view_auditentry"):
            return []
        return [Tool("History", reverse(f"admin:{self.model_label}_history", args=[object_id]))]


class RecordAdmin(ConsoleAdmin):
    """Something whose page is facts and tables, with what may be done with it; nothing is edited in place."""

    def search_filter(self, term: str) -> Q:
        """Which records a search means."""
        raise NotImplementedError

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        term = search_term.strip()
        return (queryset.filter(self.search_filter(term)) if term else queryset), False

    def title_of(self, record: Any) -> str:
        """What the record's page is called."""
        return f"{capfirst(self.singular)} …{str(record.pk)[-8:]}"

    def facts(self, request: HttpRequest, record: Any) -> Iterable[Fact]:
        """What is known about the record."""
        raise NotImplementedError

    def panels(self, request: HttpRequest, record: Any) -> Iterable[Panel]:
        """The tables below it."""
        return ()

    def tools(self, request: HttpRequest, record: Any) -> Iterable[Tool]:
        """What may be done with it, by this member of staff."""
        return ()

    def links(self, record: Any) -> Iterable[Tool]:
        """What belongs to it, elsewhere."""
        return ()

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        if request.method not in ("GET", "HEAD") or not self.has_view_permission(request):
            raise PermissionDenied
        return record_page(self, request, find_or_404(self, request, unquote(object_id)))

    def get_urls(self) -> list[URLPattern]:
        own = [
            path(route, self.admin_site.admin_view(view), name=f"{self.model_label}_{name}")
            for route, name, view in self.extra_views()
        ]
        urls: list[URLPattern] = super().get_urls()
        return own + urls

    def extra_views(self) -> Sequence[tuple[str, str, View]]:
        """Further pages: route, name, view."""
        return ()


class ReadOnlyAdmin(RecordAdmin):
    """Money and what follows from it: read by who may, written here by nobody, a superuser included."""

    actions = None
    sortable_by = ()

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def get_changelist(self, request: HttpRequest, **options: Any) -> type[ChangeList]:
        return KeysetChangeList

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        if request.method not in ("GET", "HEAD"):
            raise PermissionDenied
        return super().changelist_view(request, extra_context)


def find_or_404(admin: ConsoleAdmin, request: HttpRequest, object_id: str) -> Any:
    """The record as its list shows it. Raises: Http404."""
    record = admin.get_object(request, object_id)
    if record is None:
        raise Http404
    return record


def record_page(
    admin: RecordAdmin,
    request: HttpRequest,
    record: Any,
    *,
    form: forms.BaseForm | None = None,
    form_title: str = "",
    submit: str = "Save",
) -> HttpResponse:
    """The page of a record, with a form to change it where one is given."""
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
    }
    return _page(admin, request, context)


def form_page(
    admin: ConsoleAdmin,
    request: HttpRequest,
    *,
    title: str,
    form: forms.BaseForm,
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
    """A page that asks before something is changed.

    Args: action: where the answer goes, if not to the page itself; parent: title and address of the record that
    the page belongs to; hidden: names and values that are sent along; confirming: the form's own inputs are sent
    along unseen, to be confirmed as they were checked.
    """
    crumbs = [(capfirst(admin.plural), list_url(admin.model_label))]
    context = {
        "title": title,
        "crumbs": [*crumbs, *([parent] if parent else []), (title, "")],
        "facts": list(facts),
        "form": form,
        "submit": submit,
        "back": back,
        "action": action,
        "warning": warning,
        "danger": danger,
        "hidden": list(hidden),
        "confirming": confirming,
    }
    return _page(admin, request, context)


def _page(admin: ConsoleAdmin, request: HttpRequest, context: dict[str, Any]) -> HttpResponse:
    request.current_app = admin.admin_site.name
    shared = {**admin.admin_site.each_context(request), "media": admin.media}
    return TemplateResponse(request, "admin/console_page.html", {**shared, **context})


def _parameters(list_filter: Any) -> tuple[str, ...]:
    """The query parameters of a filter: of a field's values, of a field's days, or of one that names its own."""
    if isinstance(list_filter, str):
        return (f"{list_filter}__exact",)
    if isinstance(list_filter, tuple):
        return (f"{list_filter[0]}_from", f"{list_filter[0]}_to")
    return (list_filter.parameter_name,)


def _plain(value: Any) -> Any:
    """A form's value as an audit entry can keep it."""
    if value is None or isinstance(value, bool | int | str | list | dict):
        return value
    return str(value)
