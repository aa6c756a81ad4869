"""Drafts a campaign, and changes the terms of a draft. An approved campaign keeps its terms (change_terms.py)."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from datetime import datetime
from typing import Any, TypedDict
from uuid import UUID

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction
from django.utils import timezone

from billing.actor import Actor
from billing.errors import translate_violations
from billing.language import say
from billing.models import CreditClass
from billing.money import MAX_MINOR
from billing.text import has_visible_text
from billing.use_cases.proposals.drafts import withdraw_proposals
from billing.use_cases.record_audit import record_audit
from promos.errors import BudgetBelowUsed, CampaignNameTaken, CampaignNotFound, CampaignStateRefuses, InvalidCampaign
from promos.locks import lock_campaign_exclusively, redistribute_budget
from promos.models import Campaign, VatTreatment
from promos.models.credit_life import credit_days_problems
from promos.models.promo_code import HOT_COUNTERS
from promos.models.restrictions import Restrictions
from promos.use_cases.restrictions.complete_restrictions import complete_restrictions

MAX_NAME_LENGTH = 100
MAX_PURPOSE_LENGTH = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignTerms:
    """The terms of a campaign. `budget_minor` 0 means unlimited; the window is `[starts_at, ends_at)`.

    `restrictions` apply to all its codes and batches, beside their own.
    The credit of codes without a life of their own lasts `credit_days`, at most until `credit_expires_at`.
    """

    name: str
    purpose: str = ""
    owner_email: str = ""
    credit_class: str = CreditClass.PROMOTIONAL.value
    vat_treatment: str = VatTreatment.MULTI_PURPOSE.value
    budget_minor: int = 0
    hot: bool = False
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    restrictions: Restrictions | None = None
    credit_days: int | None = None
    credit_expires_at: datetime | None = None


class GivenCampaignTerms(TypedDict, total=False):
    """The terms that a request names, as in `CampaignTerms`. An absent one keeps its value, or takes its default."""

    name: str
    purpose: str
    owner_email: str
    credit_class: str
    vat_treatment: str
    budget_minor: int
    hot: bool
    starts_at: datetime | None
    ends_at: datetime | None
    restrictions: Restrictions | None
    credit_days: int | None
    credit_expires_at: datetime | None


def draft_campaign(*, terms: CampaignTerms, by: Actor, reason: str = "") -> Campaign:
    """Writes a new campaign as a draft, whose codes cannot be redeemed yet.

    Raises: InvalidCampaign, InvalidRestrictions, CampaignNameTaken. Transaction: owns.
    """
    terms = replace(terms, restrictions=complete_restrictions(terms.restrictions))
    _check_terms(terms)
    with transaction.atomic():
        with _names_once():
            campaign = Campaign.objects.create(**asdict(terms), drafted_by=by.user_id)
        count_budget(campaign)
        changes = {name: [None, to_json(value)] for name, value in asdict(terms).items()}
        record_campaign(campaign, "campaign.drafted", by=by, changes=changes, reason=reason)
    return campaign


def change_draft(
    *, campaign_id: UUID, terms: CampaignTerms | GivenCampaignTerms, by: Actor, reason: str = ""
) -> Campaign:
    """Gives a draft these terms. The person who changed it last counts as its drafter, and cannot approve it.

    An open proposal to approve the former terms is withdrawn.

    Raises: CampaignNotFound, CampaignStateRefuses where it is no draft, InvalidCampaign, InvalidRestrictions,
    CampaignNameTaken.
    Locks: the campaign's advisory lock, exclusively. Transaction: owns. Idempotency: the same terms change nothing.
    """
    with transaction.atomic():
        campaign = find_for_change(campaign_id)
        if campaign.status != Campaign.Status.DRAFT:
            raise CampaignStateRefuses("only the terms of a draft can be changed: use an act for each change")
        complete = complete_terms(campaign, terms)
        changes = changes_of(campaign, asdict(complete))
        if not changes:
            return campaign
        for name in changes:
            setattr(campaign, name, getattr(complete, name))
        campaign.drafted_by, campaign.updated_at = by.user_id, timezone.now()
        with _names_once():
            campaign.save()
        if {"budget_minor", "hot"} & changes.keys():
            count_budget(campaign)
        withdraw_proposals(model="promos_campaign", key=str(campaign.pk), by=by, reason="The draft was changed.")
        record_campaign(campaign, "campaign.redrafted", by=by, changes=changes, reason=reason)
        return campaign


def find_for_change(campaign_id: UUID) -> Campaign:
    """Returns the campaign, locked exclusively. Raises: CampaignNotFound; CampaignStateRefuses for the default."""
    campaign = lock_campaign_exclusively(campaign_id=campaign_id)
    if campaign is None:
        raise CampaignNotFound
    if campaign.is_default:
        raise CampaignStateRefuses("the campaign of vouchers without one of their own always stays as it is")
    return campaign


def complete_terms(campaign: Campaign, given: CampaignTerms | GivenCampaignTerms) -> CampaignTerms:
    """Returns the given terms, with the campaign's own in place of absent ones.

    Raises: InvalidCampaign, InvalidRestrictions.
    """
    if isinstance(given, CampaignTerms):
        given = replace(given, restrictions=complete_restrictions(given.restrictions))
    else:
        if "restrictions" in given:
            given = {**given, "restrictions": complete_restrictions(given["restrictions"])}
        own = {field.name: getattr(campaign, field.name) for field in fields(CampaignTerms)}
        given = CampaignTerms(**{**own, **given})
    _check_terms(given)
    return given


def _check_terms(terms: CampaignTerms) -> None:
    """Raises: InvalidCampaign, which names each bad field."""
    problems: dict[str, list[str]] = {}
    if not has_visible_text(terms.name) or len(terms.name) > MAX_NAME_LENGTH:
        problems["name"] = [say("1 to %(number)s characters", number=MAX_NAME_LENGTH)]
    if len(terms.purpose) > MAX_PURPOSE_LENGTH:
        problems["purpose"] = [say("at most %(number)s characters", number=MAX_PURPOSE_LENGTH)]
    if terms.owner_email and not _is_email(terms.owner_email):
        problems["owner_email"] = ["an e-mail address"]
    if terms.credit_class not in CreditClass.values:
        problems["credit_class"] = [say("one of %(names)s", names=", ".join(CreditClass.values))]
    if not 0 <= terms.budget_minor <= MAX_MINOR:
        problems["budget"] = ["0 (unlimited) or a positive amount"]
    if terms.starts_at and terms.ends_at and terms.starts_at >= terms.ends_at:
        problems["ends_at"] = ["must be later than starts_at"]
    problems |= credit_days_problems(terms.credit_days) | _vat_problems(terms)
    if problems:
        raise InvalidCampaign(fields=problems)


def _vat_problems(terms: CampaignTerms) -> dict[str, list[str]]:
    """Returns what is wrong with the treatment of VAT, by field."""
    treatment, is_sold = terms.vat_treatment, terms.credit_class == CreditClass.SOLD
    if treatment not in VatTreatment.values:
        return {"vat_treatment": [say("one of %(names)s", names=", ".join(VatTreatment.values))]}
    if treatment == VatTreatment.MULTI_PURPOSE:
        return {}
    if is_sold != (treatment == VatTreatment.SINGLE_PURPOSE):
        return {
            "vat_treatment": ["sold credit is single-purpose or multi-purpose, and no other credit is single-purpose"]
        }
    if terms.credit_days is None and terms.credit_expires_at is None:
        return {"vat_treatment": ["needs credit that expires: set credit_days or credit_expires_at"]}
    return {}


def changes_of(campaign: Campaign, state: Mapping[str, Any]) -> dict[str, list[Any]]:
    """Returns the fields that differ, each with its value before and after."""
    return {
        name: [to_json(getattr(campaign, name)), to_json(value)]
        for name, value in state.items()
        if getattr(campaign, name) != value
    }


def record_campaign(
    campaign: Campaign, action: str, *, by: Actor, changes: dict[str, list[Any]], reason: str
) -> None:
    """Writes the act into the audit trail. Transaction: joins."""
    record_audit(
        action=action, object_type="campaign", object_id=str(campaign.id), by=by, changes=changes, reason=reason
    )


def count_budget(campaign: Campaign) -> None:
    """Counts the campaign's budget anew, under its exclusive lock. Raises: BudgetBelowUsed."""
    counters = min(HOT_COUNTERS if campaign.hot else 1, campaign.budget_minor)
    if not redistribute_budget(campaign_id=campaign.id, budget_minor=campaign.budget_minor, counters=counters):
        raise BudgetBelowUsed


def to_json(value: object) -> object:
    """Returns the value as the audit trail holds it."""
    return value.isoformat() if isinstance(value, datetime) else value


def _is_email(text: str) -> bool:
    try:
        validate_email(text)
    except ValidationError:
        return False
    return True


def _names_once() -> Any:
    return translate_violations({"promos_campaign_name_once": CampaignNameTaken})
