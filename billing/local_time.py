"""Times as texts and days: for people in the Sovereign's time zone, for other systems in UTC."""

from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

from django.conf import settings


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


def midnight_of(day: date) -> datetime:
    """Returns the instant at which that day begins for people."""
    return datetime.combine(day, time.min, tzinfo=local_zone())
