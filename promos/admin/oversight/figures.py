"""The figures of a voucher, a batch or a campaign: credit, use over time, states, and refusals by reason."""

from collections.abc import Iterable

from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from billing.admin.console.charts import Bar, bar_chart, bars_of_days, days_until, share_chart
from billing.admin.console.display import Fact, Panel, amount, list_url, moment
from promos.models import PromoCode, RefusedAttempt
from promos.use_cases.attempts.measure_use import count_refusals, measure_use
from promos.use_cases.attempts.rules import describe_rule

_DAYS = 30
_MAX_RULES = 8


def figure_panels(request: HttpRequest, codes: QuerySet[PromoCode], **narrowed: str) -> Iterable[Panel]:
    """Makes the panels of the codes' figures that this member of staff may see; two queries.

    Args: narrowed: the parameters by which the lists of redemptions and refused attempts show those of these codes.
    """
    if request.user.has_perm("promos.view_redemption") or request.user.has_perm("promos.view_promocode"):
        yield _use_panel(codes, **narrowed)
    if request.user.has_perm("promos.view_refusedattempt"):
        yield _refusals_panel(codes, **narrowed)


def _use_panel(codes: QuerySet[PromoCode], **narrowed: str) -> Panel:
    use = measure_use(codes)
    days = days_until(timezone.now(), number=_DAYS)
    title = f"Redemptions of the last {_DAYS} days"
    return Panel(
        title="Use",
        facts=[
            Fact("Redemptions begun", f"{use.begun:,}"),
            Fact("Reserved for open payments", f"{use.reserved:,}"),
            Fact("Confirmed", f"{use.confirmed:,}"),
            Fact("Released", f"{use.released:,}"),
            Fact("Credit granted", amount(use.granted_minor)),
            Fact("Credit reserved", amount(use.reserved_minor)),
            Fact("Last use", moment(use.last_used_at)),
        ],
        chart_title=title,
        chart=bar_chart(bars_of_days(days, use.by_day, "begun"), title=title),
        more_title="All redemptions",
        more_url=list_url("promos_redemption", **narrowed),
    )


def _refusals_panel(codes: QuerySet[PromoCode], **narrowed: str) -> Panel:
    counted = count_refusals(RefusedAttempt.objects.filter(promo_code__in=codes))[:_MAX_RULES]
    return Panel(
        title="Refusals by reason",
        chart=share_chart(
            [Bar(describe_rule(rule), number, f"{number:,}") for rule, number in counted], title="Refusals by reason"
        )
        if counted
        else "",
        empty="" if counted else "Nothing was refused.",
        more_title="All refused attempts",
        more_url=list_url("promos_refusedattempt", **narrowed),
    )
