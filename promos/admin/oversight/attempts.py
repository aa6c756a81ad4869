"""The pages of refused attempts: which code, by whom, from where, and the rule and values that decided."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from ipaddress import ip_address
from typing import Any
from uuid import UUID

from django.contrib import admin
from django.db.models import OuterRef, Q, QuerySet, Subquery
from django.http import HttpRequest
from django.utils.html import format_html

from billing.admin.audit import CHANNELS, name_channel
from billing.admin.console.base import ReadOnlyAdmin
from billing.admin.console.display import (
    NOTHING,
    Column,
    Fact,
    Panel,
    Text,
    Tool,
    amount,
    badge,
    change_url,
    code,
    link,
    list_url,
    moment,
    two_lines,
)
from billing.admin.console.filters import DayRangeFilter, one_of
from billing.language import say
from billing.models import Customer
from promos.admin.campaign_lists import CAMPAIGN, CampaignChangeList
from promos.admin.redemptions import code_link, matching_cards
from promos.models import PromoCode, RefusedAttempt
from promos.models.restrictions import ORDERS, TOP_UPS, USE_LIMITS
from promos.queries import normal_code
from promos.use_cases.attempts.record_attempt import hashes_of
from promos.use_cases.attempts.rules import describe_rule, rule_names
from promos.use_cases.restrictions.sold_items import load_sold_items

_MAX_PANEL_ROWS = 10
# A search follows at most so many customers of one e-mail address.
_MAX_CUSTOMERS = 50
# The values that are ids of plans or add-ons.
_OF_CATALOG = ("plan", "plans", "addons", "order_addons")
_OF_CAMPAIGN = "campaign_"
_USED = "used"
# The values that are words of the console, and what they are called where a word of their own is needed.
_OF_WORDS = ("active", "batch_status", "first_order_only", "only", "range_locked", "range_status", "status")
_WORDS = {ORDERS: "Only with an order", TOP_UPS: "Only into the balance", True: "yes", False: "no"}
# The names of values → their titles. What a campaign decided has a title of its own below.
_TITLES = {
    "active": "Active",
    "addons": "Only with these add-ons",
    "batch_status": "State of the batch",
    "budget_minor": "Budget",
    "budget_used_minor": "Budget used",
    "campaign_status": "State of the campaign",
    "credit_minor": "Credit",
    "email": "E-mail address",
    "email_domains": "Only at these domains",
    "expires_at": "Expires at",
    "first_order_only": "First order only",
    "max_redemptions": "Cap",
    "minimum_order_minor": "Minimum order",
    "only": "Redeemed",
    "order_addons": "Add-ons of the order",
    "order_total_minor": "Total of the order",
    "plan": "Plan of the order",
    "plans": "Only with these plans",
    "range_expires_at": "The range expires at",
    "range_locked": "The range is locked",
    "range_status": "State of the range",
    "redeemed_at": "Redeemed at",
    "redemption": "Redemption",
    "retired_at": "Retired at",
    "starts_at": "Starts at",
    "times_redeemed": "Times redeemed",
    "uses_per_customer": "Uses per customer",
    "uses_per_day": "Uses per customer and day",
    "uses_per_month": "Uses per customer and month",
    "uses_per_week": "Uses per customer and week",
}
_TITLES_OF_CAMPAIGN = {
    "addons": "Only with these add-ons, by the campaign",
    "email_domains": "Only at these domains, by the campaign",
    "ends_at": "The campaign ends at",
    "first_order_only": "First order only, by the campaign",
    "minimum_order_minor": "Minimum order, by the campaign",
    "only": "Redeemed, by the campaign",
    "plans": "Only with these plans, by the campaign",
    "starts_at": "The campaign starts at",
    "uses_per_customer": "Uses per customer of the campaign",
    "uses_per_day": "Uses per customer and day of the campaign",
    "uses_per_month": "Uses per customer and month of the campaign",
    "uses_per_week": "Uses per customer and week of the campaign",
}


def with_customers(attempts: QuerySet[RefusedAttempt]) -> QuerySet[RefusedAttempt]:
    """Adds the key and the address of the customer, if there is one, and the voucher."""
    customers = Customer.objects.filter(user_id=OuterRef("user_id"))
    return attempts.select_related("promo_code").annotate(
        customer_key=Subquery(customers.values("pk")[:1]), customer_email=Subquery(customers.values("email")[:1])
    )


def attempts_panel(attempts: QuerySet[RefusedAttempt], **narrowed: str) -> Panel:
    """Makes a panel of the newest of these attempts. One query.

    Args: narrowed: the parameters by which the full list shows the same attempts.
    """
    return Panel(
        title="Refused attempts",
        columns=[Column("Time"), Column("Why"), Column("Code"), Column("Customer"), Column("From")],
        rows=[
            (
                link(moment(each.created_at), change_url("promos_refusedattempt", each.pk)),
                describe_rule(each.rule),
                attempted_code(each),
                attempting_customer(each),
                each.address or NOTHING,
            )
            for each in with_customers(attempts).order_by("-created_at", "-id")[:_MAX_PANEL_ROWS]
        ],
        empty="Nothing was refused.",
        more_title="All refused attempts",
        more_url=list_url("promos_refusedattempt", **narrowed),
    )


def attempted_code(attempt: RefusedAttempt) -> Text:
    """Links to the voucher or card of an attempt; an unknown code is shown in part."""
    if attempt.card_serial is not None:
        return link(
            say("card %(number)s", number=attempt.card_serial), change_url("promos_card", attempt.card_serial)
        )
    return code_link(attempt.promo_code) if attempt.promo_code else code(attempt.code)


def attempting_customer(attempt: Any) -> Text:
    """Links to the customer of an attempt, if one was signed in and is known."""
    if attempt.customer_key is None:
        return attempt.user_id or NOTHING
    return link(attempt.customer_email or attempt.user_id, change_url("billing_customer", attempt.customer_key))


class RefusedAttemptChangeList(CampaignChangeList):
    """The list of refused attempts."""

    last = "last_refused"


@admin.register(RefusedAttempt)
class RefusedAttemptAdmin(ReadOnlyAdmin):
    """Refused attempts to use a code. They are removed after some days."""

    noun, nouns = "refused attempt", "refused attempts"
    list_display = ("when", "why", "what", "who", "origin")
    list_filter = (
        one_of("rule", rule_names(), describe_rule),
        one_of("act", RefusedAttempt.Act.values),
        one_of("channel", CHANNELS, name_channel),
        ("created_at", DayRangeFilter),
    )
    list_filter_submit = True
    narrow_by = {
        "user_id": "customer",
        "address": "address",
        "promo_code__code": "voucher",
        "card_serial": "card",
        CAMPAIGN: "campaign",
    }
    time_field = "created_at"
    search_fields = ("code",)
    search_help_text = (
        "The whole code; a card's serial number or last four characters; customer's e-mail or user id; address"
    )

    def get_changelist(self, request: HttpRequest, **options: Any) -> type[RefusedAttemptChangeList]:
        return RefusedAttemptChangeList

    def get_queryset(self, request: HttpRequest) -> QuerySet[RefusedAttempt]:
        return with_customers(RefusedAttempt.objects.all())

    def search_filter(self, term: str) -> Q:
        # The keys are read first: subqueries in alternatives would be compared with each attempt.
        customers = Customer.objects.filter(email__iexact=term).values_list("user_id", flat=True)
        batches = PromoCode.objects.filter(code=normal_code(term), for_cards=True).values_list("pk", flat=True)
        found = Q(code_hash__in=hashes_of(term)) | Q(user_id__in=[term, *customers[:_MAX_CUSTOMERS]])
        found |= Q(promo_code__in=list(batches)) | Q(card_serial__in=matching_cards(term))
        try:
            return found | Q(address=str(ip_address(term)))
        except ValueError:
            pass
        try:
            return found | Q(pk=UUID(term))
        except ValueError:
            return found

    @admin.display(description="Time")
    def when(self, attempt: RefusedAttempt) -> Text:
        return moment(attempt.created_at)

    @admin.display(description="Why")
    def why(self, attempt: RefusedAttempt) -> Text:
        return format_html(
            '<span class="lines sentence"><span>{}</span><small>{}</small></span>',
            describe_rule(attempt.rule),
            code(attempt.rule),
        )

    @admin.display(description="Code")
    def what(self, attempt: RefusedAttempt) -> Text:
        return attempted_code(attempt)

    @admin.display(description="Customer")
    def who(self, attempt: RefusedAttempt) -> Text:
        return attempting_customer(attempt)

    @admin.display(description="From")
    def origin(self, attempt: RefusedAttempt) -> Text:
        return two_lines(f"{say(attempt.act)}{say(', ')}{name_channel(attempt.channel)}", attempt.address or "")

    def facts(self, request: HttpRequest, record: Any) -> Iterable[Fact]:
        yield Fact("Why", describe_rule(record.rule))
        yield Fact("Rule", code(record.rule))
        yield from _value_facts(_with_names(record.values))
        yield Fact("Code", attempted_code(record))
        if record.card_serial is not None and record.promo_code:
            yield Fact("Batch", code_link(record.promo_code))
        yield Fact("Customer", attempting_customer(record))
        yield Fact("Act", badge(record.act))
        yield Fact("Time", moment(record.created_at))
        channel = name_channel(record.channel)
        yield Fact("From", f"{channel}{say(', ')}{record.address}" if record.address else channel)

    def links(self, record: Any) -> Iterable[Tool]:
        if record.user_id:
            yield Tool("All of the customer", list_url(self.model_label, user_id=record.user_id))
        if record.address:
            yield Tool("All from the address", list_url(self.model_label, address=record.address))
        if record.promo_code:
            yield Tool("All of the voucher", list_url(self.model_label, promo_code__code=record.promo_code.code))


def _value_facts(values: Mapping[str, Any]) -> Iterable[Fact]:
    """Names the values that decided. A limit on uses stands with the number of uses: `2 of 2`."""
    for name, value in values.items():
        own = name.removeprefix(_OF_CAMPAIGN)
        prefix = name.removesuffix(own)
        if own == _USED:
            continue
        title = title_of_value(name)
        used = values.get(f"{prefix}{_USED}") if own in USE_LIMITS else None
        if used is None:
            yield Fact(title, _value(own, value))
        else:
            yield Fact(title, say("%(part)s of %(whole)s", part=f"{used:,}", whole=f"{value:,}"))


def title_of_value(name: str) -> str:
    """Returns the title of a value that decided."""
    return _TITLES.get(name) or _TITLES_OF_CAMPAIGN.get(name.removeprefix(_OF_CAMPAIGN), name)


def _value(name: str, value: Any) -> Text:
    """Formats a value that decided: amounts, times and references by their names."""
    if name.endswith("_minor"):
        return amount(value)
    if name.endswith("_at"):
        return moment(datetime.fromisoformat(value))
    if name == "redemption":
        return link(say("show"), change_url("promos_redemption", value))
    if isinstance(value, list):
        return say(", ").join(map(str, value)) or NOTHING
    return badge(_WORDS.get(value, str(value))) if name in _OF_WORDS else str(value)


def _with_names(values: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the values with the names of plans and add-ons in place of their ids. One query where there are any."""
    if not any(name.removeprefix(_OF_CAMPAIGN) in _OF_CATALOG for name in values):
        return dict(values)
    names = {item.id: item.name for items in load_sold_items().values() for item in items}
    return {
        name: [names.get(each, each) for each in value] if isinstance(value, list) else names.get(value, value)
        for name, value in values.items()
    }
