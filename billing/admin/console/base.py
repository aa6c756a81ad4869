"""Base classes of the console's pages: permissions, lists that never count rows, records, and confirmation forms.

A record's page shows facts and tables. Its changes are separate forms that call a use case. Django's automatic form
is used only for what is edited field by field: the catalog and staff. The console never deletes anything.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, cast

from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.admin import ShowFacets
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import IntegrityError
from django.db.models import Model, Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import SimpleTemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.text import capfirst
from django.utils.translation import gettext, gettext_lazy

from billing.admin.console.display import Fact, Panel, Tool, list_url
from billing.admin.console.forms import refused_form
from billing.admin.console.lists import CountedChangeList, KeysetChangeList
from billing.admin.console.pages import drop_closed_links, read_page, record_page
from billing.admin.console.request_actor import actor_of
from billing.admin.console.submission import Done, Submission, tell
from billing.admin.console.words import translate_labels
from billing.errors import DomainError
from billing.text import as_sentence
from billing.use_cases.record_audit import record_audit

if TYPE_CHECKING:
    # The theme has no type hints, and changes nothing that is typed here.
    from django.contrib.admin import ModelAdmin
    from django.contrib.admin.views.main import ChangeList
else:
    from unfold.admin import ModelAdmin
    from unfold.views import ChangeList

LIST_LENGTH = 50
View = Callable[..., HttpResponse]


# The attribute of a request whose form must be shown again with an error.
REFUSAL = "console_refusal"
_SAVED_BY_ANOTHER = "someone else saved the same value while you were editing, so nothing was changed: try again"


class _NotSaved(Exception):
    """The form has errors and is shown again. Nothing is saved, so the form can be sent again."""

    def __init__(self, response: HttpResponse) -> None:
        super().__init__()
        self.response = response


class Change(NamedTuple):
    """The fields that a form changed, as field → [before, after], and the reason."""

    fields: dict[str, list[Any]]
    reason: str


class ConsoleAdmin(ModelAdmin):  # type: ignore[type-arg]
    """A model in the console. Nothing can be deleted, and every change is audited: who, when, from where and why."""

    noun = ""
    nouns = ""
    add_title = ""
    # Query parameters by which other pages link to a part of this list → their titles.
    narrow_by: Mapping[str, str] = {}
    list_per_page = LIST_LENGTH
    list_max_show_all = 0
    list_before_template = "admin/narrowed.html"
    change_form_before_template = "admin/form_token.html"
    show_add_link = False
    show_full_result_count = False
    show_facets = ShowFacets.NEVER
    compressed_fields = True
    audit_name = ""

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        translate_labels(cls)

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        if self.search_help_text:
            setattr(self, "search_help_text", gettext_lazy(str(self.search_help_text)))  # noqa: B010

    @property
    def time_zone(self) -> str:
        return str(settings.SOVEREIGN_TIME_ZONE)

    @property
    def singular(self) -> str:
        return gettext(self.noun or str(self.opts.verbose_name))

    @property
    def plural(self) -> str:
        return gettext(self.nouns or str(self.opts.verbose_name_plural))

    def get_changelist(self, request: HttpRequest, **options: Any) -> type[ChangeList]:
        return CountedChangeList

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest) -> bool:
        """Allows only the lookups of the console's own links and filters. Others could fail on some values."""
        return lookup in self.narrow_by or any(lookup in _parameters(each) for each in self.get_list_filter(request))

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        narrowed = [
            (gettext(title), request.GET[name]) for name, title in self.narrow_by.items() if request.GET.get(name)
        ]
        context = {
            "title": capfirst(self.plural),
            "crumbs": [(capfirst(self.plural), "")],
            "add_title": self._title_to_add(),
            "narrowed": narrowed,
            "list_url": list_url(self.model_label),
        }
        response: HttpResponse = super().changelist_view(request, {**context, **(extra_context or {})})
        if isinstance(response, SimpleTemplateResponse):
            response.add_post_render_callback(partial(drop_closed_links, request))
        return response

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        if object_id is not None:
            self._refuse_malformed_key(object_id)
        item = self.get_object(request, unquote(object_id)) if object_id else None
        submission = Submission(request, f"{self.model_label}:{object_id or 'new'}", self.state_of(item))
        context = {
            "show_save_and_add_another": False,
            "show_save_and_continue": False,
            "crumbs": [(capfirst(self.plural), list_url(self.model_label)), (self._crumb(object_id), "")],
            "links": self.form_links(request, object_id) if object_id else [],
            "token": submission.token,
            **(extra_context or {}),
        }
        if request.method != "POST":
            return self._show_or_save(request, object_id, form_url, context)
        return self._save_once(
            request,
            submission,
            item,
            lambda: self._show_or_save(request, object_id, form_url, context),
        )

    def _show_or_save(
        self, request: HttpRequest, object_id: str | None, form_url: str, context: dict[str, Any]
    ) -> HttpResponse:
        response: HttpResponse = super().changeform_view(request, object_id, form_url, context)
        return response

    def _save_once(
        self,
        request: HttpRequest,
        submission: Submission,
        item: Model | None,
        save: Callable[[], HttpResponse],
    ) -> HttpResponse:
        """Saves a form of Django's once. A form with errors is shown again, and can be sent again.

        Args: save: saves the form, or shows it with its errors and the request's REFUSAL.
        """

        def effect() -> Done:
            response = save()
            if not isinstance(response, HttpResponseRedirect):
                raise _NotSaved(response)
            return Done(gettext("The %(noun)s was saved.") % {"noun": self.singular}, response.url)

        try:
            done, is_repeated = submission.run_once(lock_state=lambda: self.state_of(item, lock=True), effect=effect)
        except _NotSaved as shown:
            return shown.response
        except (DomainError, IntegrityError) as error:
            # An IntegrityError: the form found the unique value free; then another request took it.
            text = error.text if isinstance(error, DomainError) else gettext(_SAVED_BY_ANOTHER)
            setattr(request, REFUSAL, as_sentence(text))
            return save()
        if is_repeated:
            tell(request, done, is_repeated=True)
        return HttpResponseRedirect(done.url)

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **options: Any) -> type[Any]:
        form: type[Any] = super().get_form(request, obj, change=change, **options)
        refusal: str = getattr(request, REFUSAL, "")
        return refused_form(form, refusal) if refusal else form

    def state_of(self, item: Any, *, lock: bool = False) -> Any:
        """Returns the state of an item by which a form notices that the item has changed. A new item has none."""
        if item is None:
            return None
        if lock:
            # Races with another member of staff who saves the same item.
            item = self.model.objects.select_for_update(no_key=True).get(pk=item.pk)
        return self.values_of(item)

    def values_of(self, item: Any) -> list[Any]:
        """Returns the values of an item whose change a form notices."""
        return [field.value_from_object(item) for field in self.opts.concrete_fields]

    def response_action(  # type: ignore[override] # the stubs are of a newer Django
        self, request: HttpRequest, queryset: QuerySet[Any]
    ) -> HttpResponse | None:
        try:
            return super().response_action(request, queryset)
        except ValidationError:
            text = gettext("Some of the selected rows are not in this list. Nothing was changed.")
            messages.error(request, text)
            return HttpResponseRedirect(request.get_full_path())

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Redirects to the audit trail, which is the history. Its own permission decides who may read it."""
        return HttpResponseRedirect(
            list_url("billing_auditentry", object_type=self._audited, object_id=unquote(object_id))
        )

    # Django would write these to its own admin log. The audit trail takes the place of that log.

    def construct_change_message(  # type: ignore[override]
        self, request: HttpRequest, form: forms.BaseForm, formsets: Any, add: bool = False
    ) -> Change:
        """Collects the changed fields and the reason for the audit entry."""
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
        """The model's name in URL names, such as `billing_customer`."""
        return f"{self.opts.app_label}_{self.opts.model_name}"

    def _crumb(self, object_id: str | None) -> str:
        return capfirst(self.singular) if object_id else self._title_to_add()

    def _title_to_add(self) -> str:
        return gettext(self.add_title) if self.add_title else gettext("Add %(noun)s") % {"noun": self.singular}

    def _refuse_malformed_key(self, object_id: str) -> None:
        """Raises Http404 for an id that no row can have: the addresses of its other pages cannot be built."""
        try:
            cast(Any, self.model._meta.pk).to_python(unquote(object_id))
        except (ValidationError, ValueError) as error:
            raise Http404 from error

    def form_links(self, request: HttpRequest, object_id: str) -> list[Tool]:
        """Returns the links above an item's form."""
        if not request.user.has_perm("billing.view_auditentry"):
            return []
        return [Tool("History", reverse(f"admin:{self.model_label}_history", args=[object_id]))]


class RecordAdmin(ConsoleAdmin):
    """A model with pages that show facts, tables and actions. Nothing is edited in place."""

    # Whether the list and the pages that only show something may be read from the replica.
    reads_replica: ClassVar[bool] = False

    def search_filter(self, term: str) -> Q:
        """Returns the filter for a search term."""
        raise NotImplementedError

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        term = search_term.strip()
        return (queryset.filter(self.search_filter(term)) if term else queryset), False

    def title_of(self, record: Any) -> str:
        """Returns the title of the record's page."""
        return f"{capfirst(self.singular)} …{str(record.pk)[-8:]}"

    def facts(self, request: HttpRequest, record: Any) -> Iterable[Fact]:
        """Returns the facts at the top of the page."""
        raise NotImplementedError

    def panels(self, request: HttpRequest, record: Any) -> Iterable[Panel]:
        """Returns the tables below the facts."""
        return ()

    def tools(self, request: HttpRequest, record: Any) -> Iterable[Tool]:
        """Returns the actions that this member of staff may take."""
        return ()

    def links(self, record: Any) -> Iterable[Tool]:
        """Returns links to related lists."""
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
        return read_page(
            self, request, lambda: record_page(self, request, find_or_404(self, request, unquote(object_id)))
        )

    def get_urls(self) -> list[URLPattern]:
        own = [
            path(route, self.admin_site.admin_view(view), name=f"{self.model_label}_{name}")
            for route, name, view in (*self.extra_views(), *map(self._read_page, self.reading_views()))
        ]
        urls: list[URLPattern] = super().get_urls()
        return own + urls

    def extra_views(self) -> Sequence[tuple[str, str, View]]:
        """Returns additional pages, on which something can be done, as (route, name, view)."""
        return ()

    def reading_views(self) -> Sequence[tuple[str, str, View]]:
        """Returns additional pages that only show something, as (route, name, view)."""
        return ()

    def _read_page(self, page: tuple[str, str, View]) -> tuple[str, str, View]:
        route, name, view = page

        def show(request: HttpRequest, *args: Any, **options: Any) -> HttpResponse:
            return read_page(self, request, lambda: view(request, *args, **options))

        return route, name, show


class ReadOnlyAdmin(RecordAdmin):
    """Money, and records that follow from it. Nobody can edit them here, not even a superuser."""

    actions = None
    sortable_by = ()
    # The time by which the list is ordered; empty where the primary key's order is that of creation.
    time_field: ClassVar[str] = ""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def get_changelist(self, request: HttpRequest, **options: Any) -> type[ChangeList]:
        return KeysetChangeList

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        if request.method not in ("GET", "HEAD"):
            raise PermissionDenied
        make_list = super().changelist_view
        return read_page(self, request, lambda: make_list(request, extra_context))


def find_or_404(admin: ConsoleAdmin, request: HttpRequest, object_id: str) -> Any:
    """Returns the record from the admin's queryset. Raises: Http404."""
    record = admin.get_object(request, object_id)
    if record is None:
        raise Http404
    return record


def _parameters(list_filter: Any) -> tuple[str, ...]:
    """Returns the query parameters of a list filter: by value, by range of days, or the filter's own."""
    if isinstance(list_filter, str):
        return (f"{list_filter}__exact",)
    if isinstance(list_filter, tuple):
        return (f"{list_filter[0]}_from", f"{list_filter[0]}_to")
    return (list_filter.parameter_name,)


def _plain(value: Any) -> Any:
    """Converts a form's value to what an audit entry can store as JSON."""
    if value is None or isinstance(value, bool | int | str | list | dict):
        return value
    return str(value)
