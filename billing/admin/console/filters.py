from collections.abc import Callable, Sequence
from datetime import date, timedelta
from typing import Any

from django.contrib import messages
from django.contrib.admin import SimpleListFilter
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext
from unfold.contrib.filters.admin import RangeDateFilter
from unfold.utils import parse_date_str

from billing.local_time import midnight_of

YEARS = range(2000, 2100)


class DayRangeFilter(RangeDateFilter):
    """Filters by a range of days in the Sovereign's time zone. The theme's own filter leaves out the last day."""

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        first, last = self._day(request, "from"), self._day(request, "to")
        if first:
            queryset = queryset.filter(**{f"{self.field_path}__gte": midnight_of(first)})
        if last:
            queryset = queryset.filter(**{f"{self.field_path}__lt": midnight_of(last + timedelta(days=1))})
        return queryset

    def _day(self, request: HttpRequest, end: str) -> date | None:
        text = self.used_parameters.get(f"{self.field_path}_{end}")
        if not text:
            return None
        day: date | None = parse_date_str(str(text))
        if day is None or day.year not in YEARS:
            messages.error(request, gettext("Write a day as 2026-12-31. The list is not filtered by this date."))
            return None
        return day


def one_of(field: str, values: Sequence[str], name: Callable[[str], str] = str) -> type[SimpleListFilter]:
    """Makes a filter by one of these values. Django's own filter would search the whole table for its values.

    Args: name: returns what a value is called, where it is not a word of the console.
    """

    class OneOf(SimpleListFilter):
        title = field.rpartition("__")[2].replace("_", " ")
        parameter_name = field

        def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
            return [(value, name(value).replace("_", " ")) for value in values]

        def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
            return queryset.filter(**{field: self.value()}) if self.value() in values else queryset

    return OneOf


class OpenFilter(SimpleListFilter):
    """Shows by default the records that are not closed: those without `closed_at`."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("closed", "Closed"), ("all", "All")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() == "all":
            return queryset
        return queryset.filter(closed_at__isnull=self.value() != "closed")

    def choices(self, changelist: Any) -> Any:
        first, *others = super().choices(changelist)
        return [{**first, "display": gettext("Open")}, *others]
