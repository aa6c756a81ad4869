"""The figures of a voucher, a batch or a campaign: credit, use over time, states, and refusals by reason."""

from collections.abc import Iterable

from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html

from billing.admin.console.charts import Bar, bar_chart, bars_of_days, days_until, share_chart
from billing.admin.console.display import (
    NOTHING,
    Column,
    Fact,
    Panel,
    Text,
    amount,
    change_url,
    day,
    link,
    list_url,
    moment,
    part_of_amount,
    two_lines,
)
from billing.language import say
from promos.models import PromoCode, RefusedAttempt
from promos.models.oversight.figures import CreditFigures
from promos.use_cases.attempts.measure_use import count_refusals, measure_dealers, measure_use
from promos.use_cases.attempts.rules import describe_rule

_DAYS = 30
_MAX_RULES = 8
_MAX_DEALERS = 10


def credit_panel(figures: CreditFigures | None) -> Panel:
    """Makes the panel of what became of granted credit, as of the last night."""
    if figures is None:
        return Panel(title="Credit", empty="No figures yet: they are computed every night.")
    paying = round(100 * figures.paying_customers / figures.customers)
    return Panel(
        title="Credit",
        facts=[
            Fact("As of", moment(figures.as_of)),
            Fact("Granted", amount(figures.granted_minor)),
            Fact("Spent", amount(figures.spent_minor)),
            Fact("Expired", amount(figures.expired_minor)),
            Fact("Outstanding", amount(figures.left_minor)),
            Fact("Customers", f"{figures.customers:,}"),
            Fact("Paid by card later", f"{figures.paying_customers:,} ({paying}%)"),
        ],
        chart_title="What became of the credit",
        chart=share_chart(
            [
                Bar(name, minor, amount(minor))
                for name, minor in (
                    (say("Spent"), figures.spent_minor),
                    (say("Expired"), figures.expired_minor),
                    (say("Outstanding"), figures.left_minor),
                )
            ],
            title="What became of the credit",
        ),
    )


def credit_column(figures: CreditFigures | None) -> Text:
    """Returns what is left of the granted credit, and when it was used last, for a row of a list."""
    if figures is None:
        return NOTHING
    left = part_of_amount(figures.left_minor, figures.granted_minor)
    return two_lines(say("%(amount)s left", amount=left), format_html(say("last use {}"), day(figures.last_used_at)))


def figure_panels(
    request: HttpRequest, codes: QuerySet[PromoCode], figures: CreditFigures | None, **narrowed: str
) -> Iterable[Panel]:
    """Makes the panels of the codes' figures that this member of staff may see; three queries.

    Args:
        figures: the nightly figures of the same codes.
        narrowed: the parameters by which the lists of redemptions and refused attempts show those of these codes.
    """
    if request.user.has_perm("promos.view_redemption") or request.user.has_perm("promos.view_promocode"):
        yield _use_panel(codes, figures, **narrowed)
    if request.user.has_perm("promos.view_refusedattempt"):
        yield _refusals_panel(codes, figures, **narrowed)


def dealer_panels(request: HttpRequest, codes: QuerySet[PromoCode]) -> Iterable[Panel]:
    """Makes the panel of the dealers of these codes' cards, for those who may see dealers. One query."""
    if request.user.has_perm("promos.view_dealer"):
        yield Panel(
            title="By dealer, as of last night",
            columns=[
                Column("Dealer"),
                Column("Cards held", right=True),
                Column("Active cards", right=True),
                Column("Redeemed", right=True),
                Column("Credit", right=True),
            ],
            rows=[
                (
                    link(each.name, change_url("promos_dealer", each.key)),
                    f"{each.allocated:,}",
                    f"{each.activated:,}",
                    f"{each.redeemed:,}",
                    amount(each.credit_minor),
                )
                for each in measure_dealers(codes)[:_MAX_DEALERS]
            ],
            empty="No dealer holds any of these cards.",
            more_title="All dealers",
            more_url=list_url("promos_dealer"),
        )


def _use_panel(codes: QuerySet[PromoCode], figures: CreditFigures | None, **narrowed: str) -> Panel:
    use = measure_use(codes, figures)
    days = days_until(timezone.now(), number=_DAYS)
    title = say("Redemptions of the last %(number)s days", number=_DAYS)
    return Panel(
        title="Use",
        facts=[
            Fact("Previewed", f"{use.previewed:,}"),
            Fact("Redemptions begun", f"{use.begun:,}"),
            Fact("Reserved for open payments", f"{use.reserved:,}"),
            Fact("Confirmed", f"{use.confirmed:,}"),
            Fact("Released", f"{use.released:,}"),
            Fact("Credit granted", amount(use.granted_minor)),
            Fact("Credit reserved", amount(use.reserved_minor)),
            Fact("Last use", moment(use.last_used_at)),
            *([Fact("Older ones as of", moment(use.counted_until))] if use.counted_until else []),
        ],
        chart_title=title,
        chart=bar_chart(bars_of_days(days, use.by_day, "begun"), title=title),
        more_title="All redemptions",
        more_url=list_url("promos_redemption", **narrowed),
    )


def _refusals_panel(codes: QuerySet[PromoCode], figures: CreditFigures | None, **narrowed: str) -> Panel:
    counted = count_refusals(RefusedAttempt.objects.filter(promo_code__in=codes), figures)[:_MAX_RULES]
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
