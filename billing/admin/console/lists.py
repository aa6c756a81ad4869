"""Lists of the console whose cost does not grow with their rows: one counts a bounded number, one counts none."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from django.contrib.admin import SimpleListFilter
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.utils import get_fields_from_path
from django.contrib.admin.views.main import PAGE_VAR
from django.core.exceptions import ValidationError
from django.core.paginator import Paginator
from django.db.models import F, Q, QuerySet
from django.db.models.constants import LOOKUP_SEP
from django.http import HttpRequest
from django.utils.translation import gettext

if TYPE_CHECKING:
    # The theme has no type hints, and changes nothing that is typed here.
    from django.contrib.admin.views.main import ChangeList
else:
    from unfold.views import ChangeList


# A list counts at most so many rows after those of its page.
MAX_COUNTED_AHEAD = 1_000
MAX_PAGES = 100_000


class CountedPaginator(Paginator):  # type: ignore[type-arg]
    """A paginator of rows that are counted already."""

    def __init__(self, *arguments: Any, count: int) -> None:
        super().__init__(*arguments)
        self.count = count


class TranslatedChangeList(ChangeList):
    """A list whose filters speak the reader's language.

    Where an address narrows the list by a related record, such as a voucher by its code, that record's key is read
    first. PostgreSQL then knows whether the list has many of its rows or few; of a join with the code it does not.
    """

    def get_filters(self, request: HttpRequest) -> Any:
        found = super().get_filters(request)
        for each in found[0]:
            each.title = gettext(str(each.title))
            if isinstance(each, SimpleListFilter):
                each.lookup_choices = [(value, gettext(str(label))) for value, label in each.lookup_choices]
        others, narrow_by = found[2], getattr(self.model_admin, "narrow_by", {})
        self.narrowing: dict[str, Any] = dict(others)
        self._by_related = {name: others.pop(name) for name in narrow_by if LOOKUP_SEP in name and name in others}
        return found

    def get_queryset(self, request: HttpRequest, exclude_parameters: Any = None) -> QuerySet[Any]:
        found = super().get_queryset(request, exclude_parameters)
        for name, values in self._by_related.items():
            found = self.narrow(found, name, values)
        # The link that clears the filters leaves the list narrowed.
        self.clear_all_filters_qs = self.get_query_string(new_params=self.narrowing, remove=self.get_filters_params())
        return found

    def narrow(self, rows: QuerySet[Any], name: str, values: Any) -> QuerySet[Any]:
        """Narrows the rows by a field of a related record. Args: name: the path of the field; values: its values."""
        relation, _, field = name.rpartition(LOOKUP_SEP)
        related: Any = get_fields_from_path(self.model, relation)[-1].related_model
        keys = related._default_manager.filter(**{f"{field}__in": values}).values_list("pk", flat=True)
        return rows.filter(**{f"{relation}__in": list(keys)})


class CountedChangeList(TranslatedChangeList):
    """A list with numbered pages. Two queries: the keys of the page and of some rows ahead, then its rows.

    So a page costs the same however many follow it, and a search reads the table once. `has_more` says whether
    `result_count` stopped ahead of the end; the next pages count further.
    """

    has_more: bool = False

    def get_results(self, request: HttpRequest) -> None:
        if not 1 <= self.page_num <= MAX_PAGES:
            raise IncorrectLookupParameters
        before = (self.page_num - 1) * self.list_per_page
        most = self.list_per_page + 1 + MAX_COUNTED_AHEAD
        keys = list(self.queryset.values_list("pk", flat=True)[before : before + most + 1])
        if not keys and before:
            raise IncorrectLookupParameters
        self.has_more = len(keys) > most
        count = before + min(len(keys), most)
        self.result_list = list(self.queryset.filter(pk__in=keys[: self.list_per_page]))
        self.result_count, self.full_result_count = count, None
        self.multi_page = count > self.list_per_page
        self.can_show_all, self.show_full_result_count, self.show_admin_actions = False, False, True
        self.paginator = CountedPaginator(self.queryset, self.list_per_page, count=count)


class KeysetPaginator(Paginator):  # type: ignore[type-arg]
    """The part of a paginator that the list's template needs. It counts nothing."""

    template_name = "admin/keyset_pagination.html"


# Between the time and the key of a page's last row.
_SEPARATOR = "~"


class KeysetChangeList(TranslatedChangeList):
    """A list ordered by time, newest first. Each page starts after the last row of the page before.

    Page 1000 costs the same as page 1. Where keys are UUIDs of version 7 or sequences, their order is the order of
    creation, and the primary key's index serves it. Other models name the column of their time in `time_field`: their
    rows are ordered by it and then by key, with an index. Rows without a time come last.
    """

    before: str = ""
    older: str = ""

    @property
    def time_field(self) -> str:
        field: str = getattr(self.model_admin, "time_field", "")
        return field

    def get_ordering(self, request: HttpRequest, queryset: QuerySet[Any]) -> list[Any]:
        if not self.time_field:
            return ["-pk"]
        # The indexes of times that may be absent are made for this order.
        nulls_last = True if self._may_be_absent else None
        return [F(self.time_field).desc(nulls_last=nulls_last), "-pk"]

    @property
    def _may_be_absent(self) -> bool:
        return bool(self.model._meta.get_field(self.time_field).null)

    def get_results(self, request: HttpRequest) -> None:
        rows = self.queryset
        start = request.GET.get(PAGE_VAR, "")
        try:
            if start:
                rows = rows.filter(self._after(start))
                self.before = start
        except (ValidationError, ValueError, OverflowError):
            pass  # no row's time and key: show the first page
        found = self.read(rows, self.list_per_page + 1)
        self.result_list = found[: self.list_per_page]
        if len(found) > self.list_per_page:
            self.older = self.get_query_string({PAGE_VAR: self._place_of(self.result_list[-1])})
        self.newest = self.get_query_string(remove=[PAGE_VAR])
        self.result_count = self.full_result_count = len(self.result_list)
        self.paginator = KeysetPaginator(self.result_list, self.list_per_page)
        self.show_admin_actions = bool(self.result_list)
        self.can_show_all = self.multi_page = False

    def read(self, rows: QuerySet[Any], number: int) -> list[Any]:
        """Reads the first of the rows."""
        return list(rows[:number])

    def _place_of(self, row: Any) -> str:
        if not self.time_field:
            return str(row.pk)
        time = getattr(row, self.time_field)
        return f"{time.astimezone(UTC).isoformat() if time else ''}{_SEPARATOR}{row.pk}"

    def _after(self, place: str) -> Q:
        """Returns the condition of the rows after that place. Raises: ValidationError, ValueError."""
        if not self.time_field:
            return Q(pk__lt=self.model._meta.pk.to_python(place))
        text, _, key = place.partition(_SEPARATOR)
        pk, field = self.model._meta.pk.to_python(key), self.time_field
        if not text:
            return Q(**{f"{field}__isnull": True, "pk__lt": pk})
        time = datetime.fromisoformat(text)
        if time.tzinfo is None:
            raise ValueError(text)
        # The first condition lets an index find the start.
        later = Q(**{f"{field}__lte": time}) & (Q(**{f"{field}__lt": time}) | Q(pk__lt=pk))
        return later | Q(**{f"{field}__isnull": True}) if self._may_be_absent else later
