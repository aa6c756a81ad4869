"""The filters of the ledger's list. Each one says what the entries are narrowed to, and how they are found."""

from datetime import timedelta
from typing import Any

from django.contrib import messages
from django.contrib.admin import SimpleListFilter
from django.core.exceptions import ValidationError
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from unfold.contrib.filters.admin import TextFilter

from billing.admin.console.filters import DayRangeFilter
from billing.admin.console.forms import AmountField
from billing.admin.ledger import keys_of_customers
from billing.language import say
from billing.local_time import midnight_of
from billing.models import CreditClass, LedgerEntry
from orders.use_cases.ledger.find_entries import (
    CORRECTIONS,
    EntrySearch,
    campaign_is_narrow,
    in_time,
    keys_in_time,
    of_campaign,
    of_class,
    of_kind,
    of_size,
)
from promos.models import Campaign


class EntryDaysFilter(DayRangeFilter):
    """Filters by days, and bounds the keys that can be of these days."""

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        first, last = self._day(request, "from"), self._day(request, "to")
        since = midnight_of(first) if first else None
        until = midnight_of(last + timedelta(days=1)) if last else None
        self.keys = keys_in_time(since, until)
        return queryset.filter(in_time(since, until))


class KindFilter(SimpleListFilter):
    title = "kind"
    parameter_name = "kind__exact"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(kind.value, kind.label) for kind in LedgerEntry.Kind]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        value = self.value()
        self.is_narrow = value in CORRECTIONS
        return queryset.filter(of_kind(value)) if value in LedgerEntry.Kind.values else queryset


class ClassFilter(SimpleListFilter):
    title = "class"
    parameter_name = "credit_class"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(each.value, each.label) for each in CreditClass]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        value = self.value()
        return queryset.filter(of_class(value)) if value in CreditClass.values else queryset


class CustomerFilter(TextFilter):
    title = "customer's e-mail or user id"
    parameter_name = "customer"

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        term = (self.value() or "").strip()
        if not term or "\0" in term:
            return queryset
        self.is_narrow = True
        # The ids themselves, so that PostgreSQL knows how few entries they have.
        return queryset.filter(account_id__in=keys_of_customers(term))


class CampaignFilter(TextFilter):
    title = "campaign's name"
    parameter_name = "campaign"

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        name = (self.value() or "").strip()
        if not name or "\0" in name:
            return queryset
        campaign = Campaign.objects.filter(name__iexact=name).first()
        self.is_narrow = campaign is None or campaign_is_narrow(campaign.pk)
        if campaign is None:
            messages.error(request, "No campaign has this name.")
            return queryset.none()
        return queryset.filter(of_campaign(campaign.pk, is_narrow=self.is_narrow))


class _SizeFilter(TextFilter):
    """Filters by the size of the amount, whether it came in or went out."""

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        try:
            minor = AmountField(required=False).clean((self.value() or "").strip())
        except ValidationError as error:
            messages.error(request, f"{error.messages[0]} {say('The list is not filtered by this amount.')}")
            return queryset
        return queryset if minor is None else queryset.filter(self.condition(abs(minor)))

    def condition(self, minor: int) -> Q:
        raise NotImplementedError


class LeastFilter(_SizeFilter):
    title = "amount of at least"
    parameter_name = "at_least"

    def condition(self, minor: int) -> Q:
        return of_size(minor, None)


class MostFilter(_SizeFilter):
    title = "amount of at most"
    parameter_name = "at_most"

    def condition(self, minor: int) -> Q:
        return of_size(None, minor)


def search_of(changelist: Any, *, narrowed: bool) -> EntrySearch:
    """Returns the search for the entries of a list with its filters.

    Args: narrowed: a link or the search box narrows the list too, and an index finds what they name.
    """
    first, end = next((spec.keys for spec in changelist.filter_specs if hasattr(spec, "keys")), (None, None))
    return EntrySearch(
        entries=changelist.queryset,
        is_filtered=narrowed or changelist.has_active_filters,
        is_narrow=narrowed or any(getattr(spec, "is_narrow", False) for spec in changelist.filter_specs),
        first=first,
        end=end,
    )
