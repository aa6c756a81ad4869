"""Promo codes as they are read: with the number of live redemptions, and whether one customer has one."""

from typing import Any

from django.db.models import BigIntegerField, Case, Exists, F, OuterRef, QuerySet, Subquery, Sum, Value, When
from django.db.models.aggregates import Count
from django.db.models.functions import Coalesce

from .models import PromoCode, PromoCounter, Redemption
from .models.redemption import LIVE_STATUSES


def normal_code(text: str) -> str:
    """The code as it is stored: trimmed, upper-case. No letter beyond ASCII becomes one of its letters."""
    text = text.strip()
    return text.upper() if text.isascii() else text


def codes_with_use() -> QuerySet[PromoCode, PromoCode]:
    """Every code with `times_redeemed`, its live redemptions.

    For a capped code they are the sum of its counters, exact at any moment. An uncapped code has no counter, so that
    its redemptions do not wait for one another; its redemptions are counted in their index.
    """
    counted = (
        PromoCounter.objects.filter(promo_code=OuterRef("pk"))
        .order_by()
        .values("promo_code")
        .annotate(total=Sum("used"))
        .values("total")
    )
    live = (
        Redemption.objects.filter(promo_code=OuterRef("pk"), status__in=LIVE_STATUSES)
        .order_by()
        .values("promo_code")
        .annotate(total=Count("*"))
        .values("total")
    )
    number = BigIntegerField()
    return PromoCode.objects.annotate(
        times_redeemed=Case(
            When(max_redemptions__gt=0, then=Coalesce(Subquery(counted, output_field=number), Value(0))),
            default=Coalesce(Subquery(live, output_field=number), Value(0)),
            output_field=number,
        )
    )


def live_codes() -> QuerySet[PromoCode, PromoCode]:
    """Returns the codes that an admin lists: all that are not retired, newest first, with `times_redeemed`."""
    return codes_with_use().filter(retired_at__isnull=True).order_by("-created_at", "-id")


def find_code(text: str, *, customer_id: int | None = None) -> PromoCode | None:
    """The live code of this text, with `has_free_slot` and, for a customer, `redeemed_by_customer`.

    `has_free_slot` is true for an uncapped code. One query. A retired code costs as much work as an unknown one, so
    that the time of an answer does not tell them apart.
    """
    free: dict[str, Any] = {
        "has_free_slot": Case(
            When(max_redemptions=0, then=Value(True)),
            default=Exists(PromoCounter.objects.filter(promo_code=OuterRef("pk"), used__lt=F("quota"))),
        )
    }
    if customer_id is not None:
        free["redeemed_by_customer"] = Exists(
            Redemption.objects.filter(promo_code=OuterRef("pk"), customer_id=customer_id, status__in=LIVE_STATUSES)
        )
    return PromoCode.objects.annotate(**free).filter(code=normal_code(text), retired_at__isnull=True).first()
