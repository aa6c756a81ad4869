"""Times as texts and days: for people in the Sovereign's time zone, for other systems in UTC."""

import re
from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

from django.conf import settings
from django.utils.formats import date_format

_INSTANT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?(Z|[+-][0-9]{2}:[0-9]{2})", re.IGNORECASE
)
_LOCAL_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?")


def local_zone() -> ZoneInfo:
    """Returns the Sovereign's time zone."""
    return ZoneInfo(settings.SOVEREIGN_TIME_ZONE)


def to_local(value: datetime) -> datetime:
    """Converts an aware time to the Sovereign's time zone."""
    try:
        return value.astimezone(local_zone())
    except OverflowError:
        # The calendar's first and last hours have no other zone.
        return value


def local_text(value: datetime) -> str:
    """Writes a time for people, to the second: `2026-12-31 23:59:00`."""
    return to_local(value).replace(tzinfo=None).isoformat(sep=" ", timespec="seconds")


def utc_text(value: datetime) -> str:
    """Writes a time for other systems: `2026-12-31T23:59:00.123456Z`."""
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z")


def local_day(value: datetime) -> date:
    """Returns the day on which that time falls for people."""
    return to_local(value).date()


def day_text(value: datetime) -> str:
    """Writes the day on which that time falls for people, in the active language: `7 March 2026`."""
    return date_format(local_day(value), "LONG_DATE")


def midnight_of(day: date) -> datetime:
    """Returns the instant at which that day begins for people."""
    return datetime.combine(day, time.min, tzinfo=local_zone())


def read_instant(text: str) -> datetime:
    """Reads an instant as RFC 3339 writes it, with an offset. Returns it in UTC.

    Raises: ValueError for anything else.
    """
    if not _INSTANT.fullmatch(text):
        raise ValueError(text)
    try:
        return datetime.fromisoformat(text.upper()).astimezone(UTC)
    except OverflowError as error:
        raise ValueError(text) from error


def read_written_time(text: str) -> datetime:
    """Reads what a person wrote: a time in the Sovereign's zone, `2026-12-31 23:59`, or an instant with an offset.

    Returns it in UTC. Raises: ValueError for anything else.
    """
    if not _LOCAL_TIME.fullmatch(text):
        return read_instant(text)
    try:
        return datetime.fromisoformat(text).replace(tzinfo=local_zone()).astimezone(UTC)
    except OverflowError as error:
        raise ValueError(text) from error
