"""The terms of vouchers, campaigns and batches in words, for people who compare them."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from django.conf import settings

from billing.local_time import local_text
from billing.models import CreditClass
from billing.money import format_money
from promos.models import VatTreatment
from promos.use_cases.restrictions.describe_restrictions import describe_to_staff

INSTANTS = ("starts_at", "ends_at", "expires_at", "credit_expires_at")


def write_term(name: str, value: Any) -> str:
    """Returns the value of a term in words. Instants are texts in the form of ISO 8601."""
    if write := _WRITERS.get(name):
        return write(value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else str(value)


def _write_money(minor: int) -> str:
    return format_money(minor, currency=settings.SOVEREIGN_CURRENCY)


def _write_instant(text: str | None) -> str:
    return f"{local_text(datetime.fromisoformat(text))} {settings.SOVEREIGN_TIME_ZONE}" if text else ""


_WRITERS: dict[str, Callable[[Any], str]] = {
    **dict.fromkeys(INSTANTS, _write_instant),
    "credit_minor": _write_money,
    "budget_minor": lambda minor: _write_money(minor) if minor else "unlimited",
    "max_redemptions": lambda cap: f"{cap:,}" if cap else "unlimited",
    "restrictions": lambda restrictions: " ".join(describe_to_staff(restrictions)) or "none",
    "credit_class": lambda name: str(CreditClass(name).label),
    "vat_treatment": lambda name: str(VatTreatment(name).label),
}


def as_json(values: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the terms as a proposal stores them."""
    return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in values.items()}
