"""The locks of a promo code, and the places that are counted under them (see use_cases/claim_slot.sql).

They come after the account in the order that billing.locks states.
"""

from uuid import UUID

from django.db import connection

from .models import PromoCode, Redemption


def lock_code_shared(*, promo_code_id: UUID) -> None:
    """Keeps changes of the code out until the transaction ends; redemptions and releases share the lock."""
    _run("SELECT pg_advisory_xact_lock_shared(promos_lock_key(%s))", promo_code_id)


def lock_code_exclusively(*, promo_code_id: UUID) -> None:
    """Waits until no redemption or release of the code is in flight, and keeps new ones waiting."""
    _run("SELECT pg_advisory_xact_lock(promos_lock_key(%s))", promo_code_id)


def lock_redemption(*, redemption_id: UUID) -> Redemption:
    """The redemption with its code, its row locked; the account is locked already."""
    # Races with another release or confirm of the same redemption.
    return (
        Redemption.objects.select_for_update(no_key=True, of=("self",))
        .select_related("promo_code")
        .get(id=redemption_id)
    )


def claim_slot(*, promo_code: PromoCode) -> bool:
    """Claims one of a capped code's slots; False where all are really taken. Call it last before the commit."""
    return bool(_run("SELECT promos_claim_slots(%s, 1, %s)", promo_code.id, promo_code.hot))


def return_slot(*, promo_code_id: UUID) -> None:
    """Returns one slot; an uncapped code counts none."""
    _run("SELECT promos_return_slot(%s)", promo_code_id)


def redistribute_counters(*, promo_code_id: UUID, cap: int, counters: int) -> bool:
    """Redistributes the slots, under `lock_code_exclusively`; False where more are in use than the cap allows."""
    return bool(_run("SELECT promos_redistribute_counters(%s, %s, %s)", promo_code_id, cap, counters))


def _run(statement: str, *params: UUID | int | bool) -> object:
    with connection.cursor() as cursor:
        cursor.execute(statement, params)
        row = cursor.fetchone()
    return row[0] if row else None
