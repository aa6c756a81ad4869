"""The state of a promo code as staff see it: the first reason why it cannot be redeemed, or live."""

from datetime import datetime
from typing import Any

from django.contrib import admin
from django.db import connection
from django.db.models import (
    Case,
    CharField,
    Exists,
    F,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    Sum,
    TextChoices,
    Value,
    When,
)
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from billing.admin.console.display import badge, use_bar
from billing.language import say
from promos.models import BudgetCounter, Campaign, PromoCode, PromoCounter
from promos.queries import MAX_COUNTED_USES, codes_with_use, exceeds_budget, is_exhausted


class State(TextChoices):
    """States, in the order in which `promos.use_cases.check_eligibility.problem_of` checks them."""

    RETIRED = "retired", "Retired"
    PAUSED = "paused", "Paused"
    NOT_STARTED = "not-started", "Not started"
    EXPIRED = "expired", "Expired"
    EXHAUSTED = "exhausted", "Exhausted"
    LIVE = "live", "Live"


STATES_AS_LISTED = (
    State.LIVE,
    State.PAUSED,
    State.NOT_STARTED,
    State.EXPIRED,
    State.EXHAUSTED,
    State.RETIRED,
)
# The first page counts at most this many vouchers, so that it costs the same however many there are.
MAX_COUNTED = 2_000
_COUNT_LIVE_AND_UNRETIRED = """
SELECT count(*) FILTER (WHERE promos_is_redeemable(p, g, %(now)s)
                          AND (p.max_redemptions = 0 OR free.slot)
                          AND (g.budget_minor = 0 OR p.credit_minor <= budget.left_minor)),
       count(*)
  FROM (SELECT * FROM promos_promocode WHERE retired_at IS NULL AND NOT for_cards
         ORDER BY created_at DESC, id DESC LIMIT %(most)s) p
  JOIN promos_campaign g ON g.id = p.campaign_id
  LEFT JOIN (SELECT campaign_id, sum(quota - used) AS left_minor FROM promos_budgetcounter
              GROUP BY campaign_id) budget
    ON budget.campaign_id = g.id
  LEFT JOIN LATERAL (SELECT true AS slot FROM promos_promocounter
                      WHERE promo_code_id = p.id AND used < quota LIMIT 1) free ON true
"""
_KINDS = {State.LIVE: "good", State.NOT_STARTED: "info", State.PAUSED: "warn", State.RETIRED: "bad"}


class StateFilter(admin.SimpleListFilter):
    """Filters by state. Without a choice it shows all vouchers that are not retired."""

    title = "state"
    parameter_name = "state"
    everything = "all"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [*((state.value, str(state.label)) for state in STATES_AS_LISTED), (self.everything, "All")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        chosen = self.value()
        if chosen in State.values:
            return in_state(queryset, State(str(chosen)), now=timezone.now())
        return queryset if chosen == self.everything else queryset.filter(retired_at__isnull=True)

    def choices(self, changelist: Any) -> Any:
        first, *others = super().choices(changelist)
        return [{**first, "display": say("All but retired")}, *others]


def _conditions(*, now: datetime) -> dict[State, Q]:
    """Returns the condition of each state but the last; a code is in the first whose condition it meets."""
    return {
        State.RETIRED: Q(retired_at__isnull=False),
        State.PAUSED: Q(active=False) | ~Q(campaign__status=Campaign.Status.ACTIVE),
        State.NOT_STARTED: Q(starts_at__gt=now) | Q(campaign__starts_at__gt=now),
        State.EXPIRED: Q(expires_at__lte=now) | Q(campaign__ends_at__lte=now),
        State.EXHAUSTED: is_exhausted(),
    }


def with_state(codes: QuerySet[PromoCode, PromoCode], *, now: datetime) -> QuerySet[PromoCode, PromoCode]:
    """Annotates the codes with `state`."""
    cases = [When(condition, then=Value(state.value)) for state, condition in _conditions(now=now).items()]
    return codes.annotate(state=Case(*cases, default=Value(State.LIVE.value), output_field=CharField()))


def in_state(codes: QuerySet[Any], state: State, *, now: datetime) -> QuerySet[Any]:
    """Filters the codes by the state that `with_state` annotates, by conditions that indexes serve.

    Live codes are looked at one by one, newest first, until the page is full. Codes of the other states may be few
    among many, so campaigns, full counters and short budgets are found first.
    """
    for each, condition in _conditions(now=now).items():
        if each == state:
            return codes.filter(_condition_by_sets(state, now=now))
        codes = codes.exclude(condition)
    return codes


def _condition_by_sets(state: State, *, now: datetime) -> Q:
    """Returns the condition of a state, by sets that are read once and not for each code."""
    match state:
        case State.PAUSED:
            return Q(active=False) | _of_campaigns(~Q(status=Campaign.Status.ACTIVE))
        case State.NOT_STARTED:
            return Q(starts_at__gt=now) | _of_campaigns(Q(starts_at__gt=now))
        case State.EXPIRED:
            return Q(expires_at__lte=now) | _of_campaigns(Q(ends_at__lte=now))
        case State.EXHAUSTED:
            return Q(max_redemptions__gt=0, pk__in=_full()) | Q(campaign__in=_short()) & exceeds_budget()
        case _:
            return _conditions(now=now)[state]


def _of_campaigns(condition: Q) -> Q:
    # Their keys are read first: a subquery among alternatives would be compared with each code.
    return Q(campaign__in=list(Campaign.objects.filter(condition).values_list("pk", flat=True)))


def _full() -> QuerySet[Any, Any]:
    """Returns the codes whose slots are all used: those with a full counter, and with none that has a free slot."""
    free = PromoCounter.objects.filter(promo_code=OuterRef("promo_code"), used__lt=F("quota"))
    full = PromoCounter.objects.filter(~Exists(free), used__gte=F("quota"))
    return full.values("promo_code")


def _short() -> QuerySet[Any, Any]:
    """Returns the campaigns whose budget has no room for the highest credit of any code."""
    highest = PromoCode.objects.filter(retired_at__isnull=True).order_by("-credit_minor").values("credit_minor")[:1]
    left = BudgetCounter.objects.order_by().values("campaign").annotate(left=Sum(F("quota") - F("used")))
    return left.filter(left__lt=Subquery(highest)).values("campaign")


def count_live_and_unretired(*, now: datetime) -> tuple[int, int]:
    """Counts the codes that can be redeemed, and all, of the newest MAX_COUNTED codes that are not retired."""
    with connection.cursor() as cursor:
        cursor.execute(_COUNT_LIVE_AND_UNRETIRED, {"now": now, "most": MAX_COUNTED})
        live, every = cursor.fetchone()
    return live, every


def state_of(code: Any) -> State:
    """Returns the state of a code that `with_state` annotated."""
    return State(code.state)


def state_badge(state: State) -> SafeString:
    """Formats the state as a badge in its colour."""
    return badge(str(state.label), _KINDS.get(state, "plain"))


def usage_bar(code: Any) -> SafeString:
    """Formats the usage with a bar of how much of the cap is used; without a cap there is no bar."""
    text = format_usage(code)
    if not code.max_redemptions:
        return format_html('<span class="moment">{}</span>', text)
    return use_bar(text, code.times_redeemed, code.max_redemptions, title="Used")


def codes_as_listed() -> QuerySet[PromoCode, PromoCode]:
    """Returns every voucher with its nightly figures and its uses, as `format_usage` writes them."""
    return codes_with_use(most=MAX_COUNTED_USES).select_related("figures")


def format_usage(code: Any) -> str:
    """Formats the usage of a code of `codes_as_listed`: `3 of 50`, or `3, no cap`; of many, the last night's."""
    used, cap = code.times_redeemed, code.max_redemptions
    if not cap and used > MAX_COUNTED_USES:
        figures = getattr(code, "figures", None)
        if figures is None:
            return say("more than %(number)s, no cap", number=f"{MAX_COUNTED_USES:,}")
        return say("%(number)s last night, no cap", number=f"{figures.redemptions:,}")
    return say("%(part)s of %(whole)s" if cap else "%(part)s, no cap", part=f"{used:,}", whole=f"{cap:,}")
