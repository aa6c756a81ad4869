"""The locks of a promo code, and the places that are counted under them (see use_cases/claim_slot.sql).

They come after the account in the order that billing.locks states.
"""

from uuid import UUID

from django.db import connection

from .models import Redemption


def lock_code_shared(*, promo_code_id: UUID) -> None:
    """Keeps changes of the code out until the transaction ends; redemptions and releases share it."""
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


def claim_slot(*, promo_code_id: UUID) -> bool:
    """Takes one of a capped code's places; False where all are really taken. Last before the commit."""
    return bool(_run("SELECT promos_claim_slot(%s)", promo_code_id))


def return_slot(*, promo_code_id: UUID) -> None:
    """Gives a place back; an uncapped code counts none."""
    _run("SELECT promos_return_slot(%s)", promo_code_id)


def redistribute_counters(*, promo_code_id: UUID, cap: int, counters: int) -> bool:
    """Shares the places out anew, under `lock_code_exclusively`; False where more are in use than the cap allows."""
    return bool(_run("SELECT promos_redistribute_counters(%s, %s, %s)", promo_code_id, cap, counters))


def _run(statement: str, *params: UUID | int) -> object:
    with connection.cursor() as cursor:
        cursor.execute(statement, params)
        row = cursor.fetchone()
    return row[0] if row else None
