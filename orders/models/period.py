"""The months of a subscription: pure arithmetic of dates, always counted from the day it began."""

from calendar import monthrange
from datetime import datetime

MONTHS = 12


def next_period(*, anchor: datetime, end: datetime) -> tuple[datetime, datetime]:
    """Returns the calendar month that follows `end`, a half-open interval.

    It is counted from the anchor, so that a short month does not move the day for good: 31 Jan, 28 Feb, 31 Mar.

    Args: anchor: the first period's start, aware UTC. end: the current period's end.
    """
    year, month = divmod(end.year * MONTHS + end.month, MONTHS)
    day = min(anchor.day, monthrange(year, month + 1)[1])
    return end, anchor.replace(year=year, month=month + 1, day=day)
