"""Promo codes as they are read: with the number of live redemptions, and whether one customer has one."""

import unicodedata
from typing import Any

from django.db.models import (
    BigIntegerField,
    BooleanField,
    Case,
    Exists,
    F,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    Sum,
    Value,
    When,
)
from django.db.models.aggregates import Count
from django.db.models.expressions import RawSQL
from django.db.models.functions import Coalesce
from django.db.models.lookups import Exact, GreaterThan

from billing.database.compiled_query import CompiledQuery
from billing.queries import exists_per_row

from .models import Batch, BudgetCounter, Campaign, Card, CardRange, PromoCode, PromoCounter, Redemption
from .models.batch import stored_card_codes
from .models.redemption import LIVE_STATUSES
from .models.secret_code import HASH_MARK, StoredCode

# How many characters of a code a customer may send.
MAX_CODE_INPUT_LENGTH = 200


def normal_code(text: str) -> str:
    """Returns the code as it is stored: trimmed, upper-case. No letter beyond ASCII becomes one of its letters."""
    if isinstance(text, StoredCode):
        return text
    # No entered text is the stored form of a secret card's code.
    text = text.strip().replace(HASH_MARK, "?")
    return text.upper() if text.isascii() else text


# The console counts the uses of an uncapped code up to this many and one more.
MAX_COUNTED_USES = 10_000
_COUNT_SOME_USES = """(
SELECT count(*) FROM (
  (SELECT FROM promos_redemption AS r
    WHERE r.promo_code_id = promos_promocode.id AND r.status IN ('reserved', 'confirmed')
      AND r.card_serial IS NULL AND r.use_number IS NULL LIMIT %s)
  UNION ALL
  (SELECT FROM promos_redemption AS r
    WHERE r.promo_code_id = promos_promocode.id AND r.status IN ('reserved', 'confirmed')
      AND r.use_number IS NOT NULL LIMIT %s)
  LIMIT %s) AS uses
)"""


def codes_with_use(*, most: int | None = None) -> QuerySet[PromoCode, PromoCode]:
    """Returns every voucher with `times_redeemed`, its live redemptions. The terms of cards are no voucher.

    For a capped code they are the sum of its counters, exact at any moment. An uncapped code has no counter, so that
    its redemptions do not wait for one another; its redemptions are counted in their index.

    Args: most: an uncapped code with more uses than this has one more than this, because no more are counted.
    """
    counted = (
        PromoCounter.objects.filter(promo_code=OuterRef("pk"))
        .order_by()
        .values("promo_code")
        .annotate(total=Sum("used"))
        .values("total")
    )
    live = Redemption.objects.filter(promo_code=OuterRef("pk"), status__in=LIVE_STATUSES)
    # First uses and further ones stand in an index each.
    uses = (live.filter(card_serial=None, use_number=None), live.filter(use_number__isnull=False))
    number = BigIntegerField()
    first, further = (
        Coalesce(
            Subquery(
                each.order_by().values("promo_code").annotate(total=Count("*")).values("total"), output_field=number
            ),
            Value(0),
        )
        for each in uses
    )
    uncapped: Any = first + further
    if most is not None:
        uncapped = RawSQL(_COUNT_SOME_USES, [most + 1] * 3, output_field=number)  # noqa: S611 - it takes parameters
    return PromoCode.objects.filter(for_cards=False).annotate(
        times_redeemed=Case(
            When(max_redemptions__gt=0, then=Coalesce(Subquery(counted, output_field=number), Value(0))),
            default=uncapped,
            output_field=number,
        )
    )


def batches_with_terms() -> QuerySet[Batch, Batch]:
    """Returns every batch with its terms, and `credit_minor`, the credit of one card."""
    return Batch.objects.select_related("promo_code__campaign").annotate(credit_minor=F("promo_code__credit_minor"))


def count_redeemed(batch: Batch) -> int:
    """Counts the redeemed cards of a batch, in their index."""
    serials = (batch.first_serial, batch.last_serial)
    return Redemption.objects.filter(card_serial__range=serials, status__in=LIVE_STATUSES).count()


def campaigns_with_use() -> QuerySet[Campaign, Campaign]:
    """Returns every campaign with `used_minor`, which its live redemptions used of its budget; 0 without a budget."""
    counters = BudgetCounter.objects.filter(campaign=OuterRef("pk")).order_by().values("campaign")
    used = Subquery(counters.annotate(total=Sum("used")).values("total"), output_field=BigIntegerField())
    return Campaign.objects.annotate(used_minor=Coalesce(used, Value(0)))


def live_codes() -> QuerySet[PromoCode, PromoCode]:
    """Returns the codes that an admin lists: all that are not retired, newest first, with `times_redeemed`."""
    return codes_with_use().filter(retired_at__isnull=True).order_by("-created_at", "-id")


def top_ups_of(*, user_id: str) -> QuerySet[Redemption, Redemption]:
    """Returns a customer's redemptions into the balance with their codes, newest first."""
    redeemed = Redemption.objects.select_related("promo_code", "customer").filter(order_id=None)
    return redeemed.filter(customer__user_id=user_id).order_by("-reserved_at", "-id")


def budget_left() -> Coalesce:
    """Returns an expression for the budget that is left of a code's campaign; 0 also where it has no budget."""
    counters = BudgetCounter.objects.filter(campaign=OuterRef("campaign")).order_by().values("campaign")
    left = counters.annotate(left=Sum(F("quota") - F("used"))).values("left")
    return Coalesce(Subquery(left, output_field=BigIntegerField()), Value(0))


def is_exhausted() -> Q:
    """Returns a condition on codes: no slot is free, or the campaign's budget has no room for the code's credit."""
    return has_no_slot() | exceeds_budget()


def has_no_slot() -> Q:
    """Returns a condition on codes: they have a cap, and all slots are used."""
    free = PromoCounter.objects.filter(promo_code=OuterRef("pk"), used__lt=F("quota"))
    return Q(max_redemptions__gt=0) & Q(Exact(exists_per_row(free), False))


def exceeds_budget() -> Q:
    """Returns a condition on codes: the campaign's budget has no room for the code's credit."""
    return Q(campaign__budget_minor__gt=0) & Q(GreaterThan(F("credit_minor"), budget_left()))


def find_code(text: str, *, customer_id: int | None = None) -> PromoCode | None:
    """Returns the live code of this text, its campaign, `has_free_slot` and, for a customer, `redeemed_by_customer`.

    A card's text finds the terms of its batch, with the card's serial number. `has_free_slot` says whether another
    redemption fits the cap and the campaign's budget; of a card, also whether it is not redeemed. One query. A
    retired code costs as much work as an unknown one, and as a secret card, so that the time of an answer does not
    tell them apart.
    """
    code = normal_code(text)
    codes = [str(each) for each in (code, *stored_card_codes(code))]
    rows = _LIVE_CODE.fetch(*codes) if customer_id is None else _LIVE_CODE_OF.fetch(customer_id, *codes)
    found = rows[0] if rows else None
    if found is not None:
        found.found_by = code
        found.card_serial = found.found_serial if found.for_cards else None  # type: ignore[attr-defined]
        if found.for_cards and found.found_stored.startswith(HASH_MARK):  # type: ignore[attr-defined]
            found.stored_as = StoredCode(found.found_stored)  # type: ignore[attr-defined]
        found.card_is_open, found.card_expires_at = found.range_is_open, found.range_end  # type: ignore[attr-defined]
    return found


def _build_live_code(code: str, *stored: str) -> QuerySet[PromoCode, PromoCode]:
    return _build_live_code_of(None, code, *stored)


def _build_live_code_of(customer_id: int | None, code: str, *stored: str) -> QuerySet[PromoCode, PromoCode]:
    """Returns the query of `find_code`. Args: stored: the forms in which a card of this code may be stored."""
    card = Card.objects.filter(code__in=stored)
    serial = Subquery(card.values("serial")[:1])
    live = Redemption.objects.filter(status__in=LIVE_STATUSES)
    free: dict[str, Any] = {
        "found_serial": serial,
        "found_stored": Subquery(card.values("code")[:1]),
        **_range_of_card(serial),
        "has_free_slot": Case(
            When(is_exhausted(), then=Value(False)),
            When(for_cards=True, then=~Exists(live.filter(card_serial=serial))),
            default=Value(True),
            output_field=BooleanField(),
        ),
    }
    if customer_id is not None:
        own = live.filter(customer_id=customer_id)
        free["redeemed_by_customer"] = Case(
            When(for_cards=True, then=Exists(own.filter(card_serial=serial))),
            default=Exists(own.filter(promo_code=OuterRef("pk"), card_serial=None, use_number=None)),
        )
    named = Q(code=code, for_cards=False) | Q(pk=Subquery(card.values("batch__promo_code")[:1]))
    codes = PromoCode.objects.select_related("campaign").annotate(**free)
    return codes.filter(named, retired_at__isnull=True).order_by("for_cards")[:1]


_LIVE_CODE, _LIVE_CODE_OF = CompiledQuery(_build_live_code), CompiledQuery(_build_live_code_of)


def _range_of_card(serial: Subquery) -> dict[str, Any]:
    """Returns annotations for the range of a card, as promos_range_of finds it (models/ranges.sql)."""
    is_open = Case(When(~Q(status=CardRange.Status.ACTIVE) | Q(locked=True), then=Value(False)), default=Value(True))
    return {
        "range_is_open": Coalesce(range_value(serial, is_open), Value(True)),
        "range_end": range_value(serial, F("expires_at")),
    }


def range_value(serial: Any, value: Any) -> Subquery:
    """Returns an expression for a value of the range that a card is in; NULL where it is in none."""
    below = CardRange.objects.filter(first_serial__lte=serial).order_by("-first_serial")
    return Subquery(below.values_list(Case(When(last_serial__gte=serial, then=value)))[:1])


def find_typed_code(text: str) -> PromoCode | None:
    """Returns the live code that a person typed, or None: as `find_code`, in at most two queries.

    People copy codes from paper with spaces, with dashes that are no part of them, and in the digits of their script.
    """
    typed = "".join(_ascii_character(each) for each in unicodedata.normalize("NFKC", text) if not each.isspace())
    found = find_code(typed)
    return find_code(typed.replace("-", "")) if found is None and "-" in typed else found


def _ascii_character(character: str) -> str:
    if unicodedata.category(character) == "Pd":
        return "-"
    digit = unicodedata.decimal(character, None)
    return character if digit is None else str(digit)
