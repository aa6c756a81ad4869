"""The locks of promo codes and campaigns, and the counters under them (see use_cases/slots.sql and budgets.sql).

They come after the account in the order that billing.locks states.
"""

from uuid import UUID

from django.db import connection

from .models import Alert, Batch, Campaign, PromoCode, Redemption


def lock_code_shared(*, promo_code_id: UUID) -> None:
    """Keeps changes of the code and of its campaign out until the transaction ends.

    Redemptions and releases share the locks.
    """
    _run(
        "SELECT promos_lock_codes(ARRAY(SELECT code::text FROM promos_promocode WHERE id = %s), true)", promo_code_id
    )


def lock_code_exclusively(*, promo_code_id: UUID) -> None:
    """Waits until no redemption or release of the code is in flight, and keeps new ones waiting."""
    _run("SELECT pg_advisory_xact_lock(promos_lock_key(%s))", promo_code_id)


def lock_campaign_exclusively(*, campaign_id: UUID) -> Campaign | None:
    """Waits until no redemption or release of the campaign's codes is in flight, and keeps new ones waiting.

    Returns the campaign as it is under the lock, or None if there is none.
    """
    # Races with redemptions and releases, and with another act on the campaign.
    _run("SELECT pg_advisory_xact_lock(promos_campaign_lock_key(%s))", campaign_id)
    return Campaign.objects.filter(id=campaign_id).first()


def lock_batch(*, batch_id: int) -> Batch:
    """Returns the batch with its terms, its row locked, while no redemption of its cards is in flight."""
    terms_id = Batch.objects.values_list("promo_code_id", flat=True).get(id=batch_id)
    lock_code_exclusively(promo_code_id=terms_id)
    # Races with the worker that generates its cards, and with another member of staff.
    return Batch.objects.select_for_update(no_key=True, of=("self",)).select_related("promo_code").get(id=batch_id)


def lock_texts() -> None:
    """Keeps other new codes and cards waiting until the transaction ends, so that no two get the same text."""
    _run("SELECT promos_lock_texts()")


def lock_redemption(*, redemption_id: UUID) -> Redemption:
    """Returns the redemption with its code, its row locked; the account is locked already."""
    # Races with another release or confirm of the same redemption.
    return (
        Redemption.objects.select_for_update(no_key=True, of=("self",))
        .select_related("promo_code__campaign")
        .get(id=redemption_id)
    )


def lock_alert(*, alert_id: UUID) -> Alert:
    """Returns the alert, its row locked. Raises: Alert.DoesNotExist."""
    # Races with another member of staff who closes it, and with the job that raises alerts.
    return Alert.objects.select_for_update(no_key=True).get(id=alert_id)


def claim_slot(*, promo_code: PromoCode) -> bool:
    """Claims one of a capped code's slots; False where all are really taken. Call it last before the commit."""
    return bool(_run("SELECT promos_claim_slots_of_code(%s, 1, %s)", promo_code.id, promo_code.hot))


def return_slot(*, promo_code_id: UUID) -> None:
    """Returns one slot; an uncapped code counts none."""
    _run("SELECT promos_return_slot(%s)", promo_code_id)


def claim_budget(*, campaign: Campaign, amount_minor: int) -> bool:
    """Claims a part of the campaign's budget; False where less is left. Call it after `claim_slot`."""
    return bool(_run("SELECT promos_claim_budget(%s, %s, %s)", campaign.id, amount_minor, campaign.hot))


def return_budget(*, campaign_id: UUID, amount_minor: int) -> None:
    """Returns a part of the budget; a campaign without one counts nothing. Call it after `return_slot`."""
    _run("SELECT promos_return_budget(%s, %s)", campaign_id, amount_minor)


def redistribute_budget(*, campaign_id: UUID, budget_minor: int, counters: int) -> bool:
    """Redistributes a budget, under `lock_campaign_exclusively`; False where more is in use than it allows."""
    return bool(_run("SELECT promos_redistribute_budget(%s, %s, %s)", campaign_id, budget_minor, counters))


def redistribute_counters(*, promo_code_id: UUID, cap: int, counters: int) -> bool:
    """Redistributes the slots, under `lock_code_exclusively`; False where more are in use than the cap allows."""
    return bool(_run("SELECT promos_redistribute_counters(%s, %s, %s)", promo_code_id, cap, counters))


def _run(statement: str, *params: UUID | int | bool) -> object:
    with connection.cursor() as cursor:
        cursor.execute(statement, params)
        row = cursor.fetchone()
    return row[0] if row else None
