from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import F, Max

from billing.actor import Actor
from billing.language import say
from billing.money import MAX_MINOR
from billing.use_cases.record_audit import record_audit
from promos.errors import InvalidCardBatch
from promos.locks import lock_texts
from promos.models import Batch, Card, PromoCode
from promos.models.batch import MAX_CARDS, PATTERN_MATCH, normal_card_code
from promos.models.campaign import DEFAULT_CAMPAIGN
from promos.models.credit_life import credit_days_problems
from promos.models.promo_code import CODE_MATCH
from promos.models.restrictions import Restrictions
from promos.models.secret_code import has_code_secret
from promos.queries import normal_code
from promos.use_cases.cards.codes import count_random
from promos.use_cases.cards.guessing import check_odds
from promos.use_cases.cards.printer_file import is_printer_key
from promos.use_cases.issue_code import check_campaign
from promos.use_cases.restrictions.complete_restrictions import complete_restrictions

MIN_RANDOM = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchTerms:
    """The terms of a new batch: `credit_minor` is what one card grants, in the smallest unit.

    In `pattern` each `#` is one random symbol of the alphabet. Validity is half-open: `[starts_at, expires_at)`.
    `printer_key` is a public key of age, which makes the batch secret; empty for an open one.
    """

    name: str
    credit_minor: int
    size: int
    pattern: str
    alphabet: str = Batch.Alphabet.LETTERS
    description: str = ""
    starts_at: datetime | None = None
    expires_at: datetime | None = None
    credit_days: int | None = None
    credit_expires_at: datetime | None = None
    campaign_id: UUID = DEFAULT_CAMPAIGN
    restrictions: Restrictions | None = None
    printer_key: str = ""


def create_batch(*, terms: BatchTerms, by: Actor, reason: str = "") -> Batch:
    """Drafts a batch of cards, and sets its serial numbers apart. No card exists before it is generated.

    Raises: CampaignNotFound, CampaignStateRefuses, InvalidRestrictions; InvalidCardBatch, also where its codes would
    be too easy to guess.
    Locks: the texts of codes. Transaction: owns.
    """
    if problems := find_problems(terms):
        raise InvalidCardBatch(fields=problems)
    name, pattern = normal_code(terms.name), normal_code(terms.pattern)
    restrictions = complete_restrictions(terms.restrictions)
    check_odds(pattern=pattern, alphabet=terms.alphabet, size=terms.size)
    with transaction.atomic():
        # Races with a voucher that is issued and a batch that is drafted: names and serial numbers are taken once.
        lock_texts()
        taken = PromoCode.objects.filter(code=name).exists()
        if taken or Card.objects.filter(code=normal_card_code(name)).exists():
            raise InvalidCardBatch(fields={"name": ["a voucher or another batch has this name"]})
        if terms.campaign_id != DEFAULT_CAMPAIGN:
            check_campaign(terms.campaign_id)
        last: int | None = Batch.objects.aggregate(last=Max(F("first_serial") + F("size")))["last"]
        promo_code = PromoCode.objects.create(
            code=name,
            for_cards=True,
            campaign_id=terms.campaign_id,
            active=False,
            credit_minor=terms.credit_minor,
            currency=settings.SOVEREIGN_CURRENCY,
            description=terms.description,
            starts_at=terms.starts_at,
            expires_at=terms.expires_at,
            restrictions=restrictions,
            credit_days=terms.credit_days,
            credit_expires_at=terms.credit_expires_at,
            issued_by=by.user_id,
        )
        batch = Batch.objects.create(
            promo_code=promo_code,
            pattern=pattern,
            alphabet=terms.alphabet,
            size=terms.size,
            first_serial=last or 1,
            created_by=by.user_id,
            printer_key=terms.printer_key,
        )
        record_audit(
            action="batch.drafted",
            object_type="batch",
            object_id=name,
            by=by,
            changes={
                "credit_minor": [None, terms.credit_minor],
                "size": [None, terms.size],
                "campaign_id": [None, str(terms.campaign_id)],
                "pattern": [None, pattern],
                "printer_key": [None, terms.printer_key],
                "starts_at": [None, terms.starts_at and terms.starts_at.isoformat()],
                "expires_at": [None, terms.expires_at and terms.expires_at.isoformat()],
                "restrictions": [None, restrictions],
                "credit_days": [None, terms.credit_days],
                "credit_expires_at": [None, terms.credit_expires_at and terms.credit_expires_at.isoformat()],
            },
            reason=reason,
        )
    return Batch.objects.select_related("promo_code").get(id=batch.id)


def find_problems(terms: BatchTerms) -> dict[str, list[str]]:
    """Returns what is wrong with each term by itself, by its name."""
    name, pattern = normal_code(terms.name), normal_code(terms.pattern)
    problems: dict[str, list[str]] = {}
    if not CODE_MATCH.fullmatch(name):
        problems["name"] = ["3 to 64 of the letters A-Z, digits, '-' and '_'"]
    if not 0 < terms.credit_minor <= MAX_MINOR:
        problems["credit"] = ["the credit must be positive"]
    if not 0 < terms.size <= MAX_CARDS:
        problems["size"] = [say("1 to %(number)s cards", number=f"{MAX_CARDS:,}")]
    if terms.alphabet not in Batch.Alphabet.values:
        problems["alphabet"] = ["letters or digits"]
    if not PATTERN_MATCH.fullmatch(pattern) or pattern.startswith("-") or pattern.endswith("-"):
        problems["pattern"] = ["6 to 40 of the letters A-Z, digits, '-' between them, and '#' for a random character"]
    elif count_random(pattern) < MIN_RANDOM:
        problems["pattern"] = [say("at least %(number)s random characters, written as '#'", number=MIN_RANDOM)]
    if terms.starts_at and terms.expires_at and terms.starts_at >= terms.expires_at:
        problems["expires_at"] = ["must be later than starts_at"]
    problems |= _key_problems(terms.printer_key)
    return problems | credit_days_problems(terms.credit_days)


def _key_problems(printer_key: str) -> dict[str, list[str]]:
    if printer_key and not has_code_secret():
        return {"printer_key": ["secret batches are off: CARD_CODE_SECRET is not set"]}
    if printer_key and not is_printer_key(printer_key):
        return {"printer_key": ["not a public key of age, such as age1..."]}
    return {}
