from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from billing.actor import Actor
from billing.money import MAX_MINOR
from billing.use_cases.record_audit import record_audit
from promos.errors import CapBelowUsed, InvalidPromo
from promos.locks import lock_code_exclusively, redistribute_counters
from promos.models import PromoCode
from promos.models.promo_code import CODE_MATCH, HOT_COUNTERS
from promos.queries import codes_with_use, normal_code

MAX_CAP = 10**12


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What a code grants, to how many customers, and when.

    `credit_minor` is positive, in the smallest unit. `max_redemptions` 0 means unlimited. Validity is half-open:
    `[starts_at, expires_at)`. `hot` divides the cap over several counters, for a code that many customers redeem at
    the same moment.
    """

    credit_minor: int
    description: str = ""
    active: bool = True
    max_redemptions: int = 0
    hot: bool = False
    starts_at: datetime | None = None
    expires_at: datetime | None = None


def issue_code(*, code: str, terms: Terms, by: Actor, reason: str = "") -> PromoCode:
    """Creates a code, or gives an existing code these terms. A retired code becomes live again.

    Existing redemptions stay, and count against the new cap.

    Raises: InvalidPromo, CapBelowUsed. Locks: the code's advisory lock, exclusively. Transaction: owns.
    Idempotency: the same terms again change nothing and write no audit entry.
    """
    text = normal_code(code)
    _check(text, terms)
    with transaction.atomic():
        promo_code, created = PromoCode.objects.get_or_create(
            code=text,
            defaults={"currency": settings.SOVEREIGN_CURRENCY, "issued_by": by.user_id, **asdict(terms)},
        )
        # Races with redemptions and releases in flight, and with another admin. Redistributing slots over the
        # counters needs the exclusive lock.
        lock_code_exclusively(promo_code_id=promo_code.id)
        if not created:
            promo_code.refresh_from_db()
        changes = _changes(promo_code, terms, created=created)
        if changes:
            _apply(promo_code, terms, changes)
            record_audit(
                action="promo_code.issued" if created else "promo_code.changed",
                object_type="promo_code",
                object_id=text,
                by=by,
                changes=changes,
                reason=reason,
            )
        return codes_with_use().get(id=promo_code.id)


def _changes(promo_code: PromoCode, terms: Terms, *, created: bool) -> dict[str, list[Any]]:
    changes = {
        name: [None if created else _json(getattr(promo_code, name)), _json(value)]
        for name, value in asdict(terms).items()
        if created or getattr(promo_code, name) != value
    }
    if promo_code.retired_at is not None:
        changes["retired_at"] = [_json(promo_code.retired_at), None]
    return changes


def _apply(promo_code: PromoCode, terms: Terms, changes: dict[str, list[Any]]) -> None:
    if {"max_redemptions", "hot"} & changes.keys():
        counters = min(HOT_COUNTERS if terms.hot else 1, terms.max_redemptions)
        if not redistribute_counters(promo_code_id=promo_code.id, cap=terms.max_redemptions, counters=counters):
            raise CapBelowUsed
    for name, value in asdict(terms).items():
        setattr(promo_code, name, value)
    promo_code.retired_at = None
    promo_code.updated_at = timezone.now()
    promo_code.save()


def _check(text: str, terms: Terms) -> None:
    problems: dict[str, list[str]] = {}
    if not CODE_MATCH.fullmatch(text):
        problems["code"] = ["3 to 64 of the letters A-Z, digits, '-' and '_'"]
    if not 0 < terms.credit_minor <= MAX_MINOR:
        problems["credit"] = ["the credit must be positive"]
    if not 0 <= terms.max_redemptions <= MAX_CAP:
        problems["max_redemptions"] = ["0 (unlimited) or a positive number"]
    if terms.starts_at and terms.expires_at and terms.starts_at >= terms.expires_at:
        problems["expires_at"] = ["must be later than starts_at"]
    if problems:
        raise InvalidPromo(fields=problems)


def _json(value: object) -> object:
    return value.isoformat() if isinstance(value, datetime) else value
