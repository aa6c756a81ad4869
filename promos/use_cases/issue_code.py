from dataclasses import asdict, dataclass, fields
from datetime import datetime
from typing import Any, TypedDict, cast
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from billing.actor import Actor
from billing.money import MAX_MINOR
from billing.use_cases.record_audit import record_audit
from promos.errors import CampaignNotFound, CampaignStateRefuses, CapBelowUsed, CreditRequired, InvalidPromo
from promos.locks import lock_code_exclusively, lock_texts, redistribute_counters
from promos.models import Campaign, Card, PromoCode
from promos.models.batch import normal_card_code
from promos.models.campaign import DEFAULT_CAMPAIGN
from promos.models.credit_life import credit_days_problems
from promos.models.promo_code import CODE_MATCH, HOT_COUNTERS
from promos.models.restrictions import Restrictions
from promos.queries import codes_with_use, normal_code
from promos.use_cases.restrictions.complete_restrictions import complete_restrictions

MAX_CAP = 10**12


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """The terms of a code: its credit, how often it is redeemed, and its time.

    `credit_minor` is positive, in the smallest unit. `max_redemptions` 0 means unlimited. Validity is half-open:
    `[starts_at, expires_at)`. `hot` divides the cap over several counters, for a code that many customers redeem at
    the same moment. The credit lasts `credit_days`, at most until `credit_expires_at`, or as its campaign says.
    `restrictions` add to those of the campaign; a customer redeems the code once, or as often as their
    limits allow.
    """

    credit_minor: int
    description: str = ""
    active: bool = True
    max_redemptions: int = 0
    hot: bool = False
    starts_at: datetime | None = None
    expires_at: datetime | None = None
    restrictions: Restrictions | None = None
    credit_days: int | None = None
    credit_expires_at: datetime | None = None


class GivenTerms(TypedDict, total=False):
    """The terms that a request names, as in `Terms`. An absent one keeps its value, or takes its default."""

    credit_minor: int
    description: str
    active: bool
    max_redemptions: int
    hot: bool
    starts_at: datetime | None
    expires_at: datetime | None
    restrictions: Restrictions | None
    credit_days: int | None
    credit_expires_at: datetime | None


def issue_code(
    *, code: str, terms: Terms | GivenTerms, by: Actor, reason: str = "", campaign_id: UUID | None = None
) -> PromoCode:
    """Creates a code, or gives an existing code these terms. A retired code becomes live again.

    Absent terms keep their value on an existing code, also on a retired one, and take their default on a new one.
    Existing redemptions stay, and count against the new cap. A code stays in the campaign that it was issued in.

    Args: campaign_id: the campaign of a new code, by default the default campaign; of an existing code, its own.
    Raises: InvalidPromo, InvalidRestrictions, CreditRequired if a new code has no credit, CapBelowUsed;
    CampaignNotFound or CampaignStateRefuses if the campaign of a new code is unknown or has ended.
    Locks: the code's advisory lock, exclusively. Transaction: owns.
    Idempotency: the same terms again change nothing and write no audit entry.
    """
    text = normal_code(code)
    given = with_complete_restrictions(terms)
    with transaction.atomic():
        promo_code, created = _find_or_create(text, given, campaign_id=campaign_id or DEFAULT_CAMPAIGN, by=by)
        # Races with redemptions and releases in flight, and with another admin. Redistributing slots over the
        # counters needs the exclusive lock.
        lock_code_exclusively(promo_code_id=promo_code.id)
        if not created:
            promo_code.refresh_from_db()
        if campaign_id not in (None, promo_code.campaign_id):
            raise InvalidPromo(fields={"campaign_id": ["the voucher belongs to another campaign, and stays in it"]})
        complete = _complete(given, promo_code)
        _check(text, complete)
        changes = _changes(promo_code, complete, created=created)
        if changes:
            _apply(promo_code, complete, changes)
            record_audit(
                action="promo_code.issued" if created else "promo_code.changed",
                object_type="promo_code",
                object_id=text,
                by=by,
                changes=changes,
                reason=reason,
            )
        return codes_with_use().get(id=promo_code.id)


def with_complete_restrictions(terms: Terms | GivenTerms) -> GivenTerms:
    """Returns the given terms, with restrictions in the form that is stored. Raises: InvalidRestrictions."""
    given = cast(GivenTerms, asdict(terms) if isinstance(terms, Terms) else dict(terms))
    if "restrictions" in given:
        given["restrictions"] = complete_restrictions(given["restrictions"])
    return given


def _find_or_create(text: str, given: GivenTerms, *, campaign_id: UUID, by: Actor) -> tuple[PromoCode, bool]:
    """Returns the code, and whether this call created it."""
    found = PromoCode.objects.filter(code=text).first()
    if found is not None:
        if found.for_cards:
            raise InvalidPromo(fields={"code": ["a batch of cards has this name"]})
        return found, False
    if "credit_minor" not in given:
        raise CreditRequired
    terms = Terms(**given)
    _check(text, terms)
    if campaign_id != DEFAULT_CAMPAIGN:
        check_campaign(campaign_id)
    # Races with the generation of a batch, whose cards get other codes.
    lock_texts()
    if Card.objects.filter(code=normal_card_code(text)).exists():
        raise InvalidPromo(fields={"code": ["a card has this code"]})
    # Races with another admin who creates the same code: the second one gets the first one's row.
    return PromoCode.objects.get_or_create(
        code=text,
        defaults={
            "currency": settings.SOVEREIGN_CURRENCY,
            "issued_by": by.user_id,
            "campaign_id": campaign_id,
            **asdict(terms),
        },
    )


def check_campaign(campaign_id: UUID) -> None:
    """Raises: CampaignNotFound; CampaignStateRefuses where it has ended and takes no new codes."""
    campaign = Campaign.objects.filter(id=campaign_id).first()
    if campaign is None:
        raise CampaignNotFound
    if campaign.status == Campaign.Status.ENDED:
        raise CampaignStateRefuses("the campaign has ended")


def _complete(given: GivenTerms, promo_code: PromoCode) -> Terms:
    """Returns all terms of the code: those that are given, and the code's own for the others."""
    present = {field.name: getattr(promo_code, field.name) for field in fields(Terms)}
    return Terms(**{**present, **given})


def _changes(promo_code: PromoCode, terms: Terms, *, created: bool) -> dict[str, list[Any]]:
    changes = {
        name: [None if created else _json(getattr(promo_code, name)), _json(value)]
        for name, value in asdict(terms).items()
        if created or getattr(promo_code, name) != value
    }
    if created and promo_code.campaign_id != DEFAULT_CAMPAIGN:
        changes["campaign_id"] = [None, str(promo_code.campaign_id)]
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
    problems |= credit_days_problems(terms.credit_days)
    if problems:
        raise InvalidPromo(fields=problems)


def _json(value: object) -> object:
    return value.isoformat() if isinstance(value, datetime) else value
