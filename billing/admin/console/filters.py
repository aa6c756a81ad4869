from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any

from django.contrib import messages
from django.contrib.admin import SimpleListFilter
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.contrib.filters.admin import RangeDateFilter
from unfold.utils import parse_date_str

from billing.local_time import local_day, midnight_of

_YEARS = range(2000, 2100)


class DayRangeFilter(RangeDateFilter):
    """Filters by a range of days in the Sovereign's time zone. The theme's own filter leaves out the last day."""

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        first, last = self._midnight(request, "from"), self._midnight(request, "to")
        if first:
            queryset = queryset.filter(**{f"{self.field_path}__gte": first})
        if last:
            following = midnight_of(local_day(last) + timedelta(days=1))
            queryset = queryset.filter(**{f"{self.field_path}__lt": following})
        return queryset

    def _midnight(self, request: HttpRequest, end: str) -> datetime | None:
        text = self.used_parameters.get(f"{self.field_path}_{end}")
        if not text:
            return None
        day: date | None = parse_date_str(str(text))
        if day is None or day.year not in _YEARS:
            messages.error(request, "Write a day as 2026-12-31. The list is not filtered by this date.")
            return None
        return midnight_of(day)


def one_of(field: str, values: Sequence[str]) -> type[SimpleListFilter]:
    """Makes a filter by one of these values. Django's own filter would search the whole table for its values."""

    class OneOf(SimpleListFilter):
        title = field.replace("_", " ")
        parameter_name = field

        def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
            return [(value, value) for value in values]

        def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
            return queryset.filter(**{field: self.value()}) if self.value() in values else queryset

    return OneOf
