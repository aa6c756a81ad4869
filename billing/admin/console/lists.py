"""A list of the console that counts no rows: each page starts after the last row of the page before."""

from typing import TYPE_CHECKING, Any

from django.contrib.admin.views.main import PAGE_VAR
from django.core.exceptions import ValidationError
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest

if TYPE_CHECKING:
    # The theme has no type hints, and changes nothing that is typed here.
    from django.contrib.admin.views.main import ChangeList
else:
    from unfold.views import ChangeList


class KeysetPaginator(Paginator):  # type: ignore[type-arg]
    """The part of a paginator that the list's template needs. It counts nothing."""

    template_name = "admin/keyset_pagination.html"


class KeysetChangeList(ChangeList):
    """A list ordered by primary key, newest first. Each page starts after the last key of the page before.

    Page 1000 costs the same as page 1. Keys are UUIDs of version 7 or sequences, so their order is the order of
    creation, and the primary key's index serves it.
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
            pass  # not a valid key: show the first page
        found = list(rows[: self.list_per_page + 1])
        self.result_list = found[: self.list_per_page]
        if len(found) > self.list_per_page:
            self.older = self.get_query_string({PAGE_VAR: str(self.result_list[-1].pk)})
        self.newest = self.get_query_string(remove=[PAGE_VAR])
        self.result_count = self.full_result_count = len(self.result_list)
        self.paginator = KeysetPaginator(self.result_list, self.list_per_page)
        self.show_admin_actions = bool(self.result_list)
        self.can_show_all = self.multi_page = False
