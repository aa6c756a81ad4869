import re
from dataclasses import dataclass
from datetime import date, datetime

from billing.local_time import local_day, midnight_of
from orders.errors import InvalidMonth

_MONTH = re.compile(r"[1-9][0-9]{3}-(0[1-9]|1[0-2])")


@dataclass(frozen=True, slots=True)
class Month:
    """A calendar month in the Sovereign's time zone, by its first day."""

    first_day: date

    @property
    def name(self) -> str:
        return f"{self.first_day:%Y-%m}"

    @property
    def start(self) -> datetime:
        return midnight_of(self.first_day)

    @property
    def finish(self) -> datetime:
        """The first instant after the month."""
        return self.next.start

    @property
    def next(self) -> "Month":
        year, month = divmod(self.first_day.year * 12 + self.first_day.month, 12)
        return Month(date(year, month + 1, 1))


def month_of(moment: datetime) -> Month:
    """Returns the month on which that time falls for people."""
    return Month(local_day(moment).replace(day=1))


def read_month(text: str) -> Month:
    """Reads a month such as `2026-10`. Raises: InvalidMonth."""
    if not _MONTH.fullmatch(text):
        raise InvalidMonth
    year, month = map(int, text.split("-"))
    return Month(date(year, month, 1))
