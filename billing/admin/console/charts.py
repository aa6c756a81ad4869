"""Charts of the console: bars in SVG, in the colours of the page, readable without a script."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

from django.conf import settings
from django.db.models import QuerySet
from django.db.models.functions import TruncDate
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext

from billing.local_time import local_day, local_zone
from billing.money import format_money

_HEIGHT, _BAR, _GAP = 80, 12, 4


class Bar(NamedTuple):
    """One bar: its label, its length, and the value as people read it."""

    label: str
    value: int
    text: str


def bar_chart(bars: Sequence[Bar], *, title: str) -> SafeString:
    """Draws bars side by side. Each has its label and value as a tooltip."""
    highest = max((bar.value for bar in bars), default=0) or 1
    heights = [_HEIGHT * max(bar.value, 0) // highest or (1 if bar.value > 0 else 0) for bar in bars]
    drawn = format_html_join(
        "",
        '<g><title>{}: {}</title><rect class="chart-ground" x="{}" y="0" width="{}" height="{}"></rect>'
        '<rect class="chart-bar" x="{}" y="{}" width="{}" height="{}" rx="1"></rect></g>',
        (
            (bar.label, bar.text, x, _BAR, _HEIGHT, x, _HEIGHT - height, _BAR, height)
            for bar, height, x in zip(bars, heights, range(0, len(bars) * (_BAR + _GAP), _BAR + _GAP), strict=True)
        ),
    )
    top = next((bar for bar in bars if bar.value == highest), None)
    return format_html(
        '<figure class="bar-figure">'
        '<svg viewBox="0 0 {} {}" preserveAspectRatio="none" role="img" aria-label="{}">{}</svg>'
        "<figcaption><span>{}</span><span>{}</span><span>{}</span></figcaption></figure>",
        max(len(bars) * (_BAR + _GAP) - _GAP, 1),
        _HEIGHT,
        f"{gettext(title)}: {'; '.join(f'{bar.label} {bar.text}' for bar in bars)}",
        drawn,
        bars[0].label if bars else "",
        gettext("highest: %(value)s") % {"value": top.text} if top else "",
        bars[-1].label if bars else "",
    )


def share_chart(bars: Sequence[Bar], *, title: str) -> SafeString:
    """Draws bars one below the other, each with its label and value, as parts of the largest."""
    highest = max((bar.value for bar in bars), default=0) or 1
    return format_html(
        '<dl class="shares" aria-label="{}">{}</dl>',
        gettext(title),
        format_html_join(
            "",
            '<div><dt>{}</dt><dd><progress class="use-bar" value="{}" max="{}" aria-hidden="true"></progress>'
            "<span>{}</span></dd></div>",
            ((bar.label, bar.value, highest, bar.text) for bar in bars),
        ),
    )


def days_until(now: datetime, *, number: int) -> list[date]:
    """Returns this many days for people, the last of which is today."""
    today = local_day(now)
    return [today - timedelta(days=back) for back in reversed(range(number))]


def total_by_day(rows: QuerySet[Any], field: str, **totals: Any) -> dict[date, dict[str, Any]]:
    """Returns aggregates of the rows for each day that has some. One query."""
    days = rows.annotate(chart_day=TruncDate(field, tzinfo=local_zone())).order_by().values("chart_day")
    return {row["chart_day"]: row for row in days.annotate(**totals)}


def bars_of_days(days: Sequence[date], totals: Mapping[date, Mapping[str, Any]], name: str) -> list[Bar]:
    """Returns a bar for each day. Totals whose name ends with `_minor` are amounts."""
    values = [int(totals.get(each, {}).get(name) or 0) for each in days]
    currency = settings.SOVEREIGN_CURRENCY
    texts = [format_money(value, currency=currency) if name.endswith("_minor") else f"{value:,}" for value in values]
    return [Bar(each.isoformat(), value, text) for each, value, text in zip(days, values, texts, strict=True)]
