from datetime import datetime

from django.db import transaction

from billing.actor import Actor
from promos.errors import PromoChanged
from promos.locks import lock_code_exclusively
from promos.models import PromoCode
from promos.use_cases.issue_code import Terms, issue_code


def edit_code(*, code: PromoCode, seen_at: datetime, terms: Terms, by: Actor, reason: str) -> PromoCode:
    """Gives a code new terms, unless it has changed since the editor loaded it. A retired code becomes live again.

    Without the check, saving a form while another admin retires the code would silently bring it back.

    Args: seen_at: the code's `updated_at` when the form was shown.
    Raises: PromoChanged, InvalidPromo, CapBelowUsed. Locks: the code's advisory lock, exclusively. Transaction: owns.
    """
    with transaction.atomic():
        # Races with another admin and with redemptions in flight, so `updated_at` is read again under the lock.
        lock_code_exclusively(promo_code_id=code.id)
        code.refresh_from_db(fields=["updated_at"])
        if code.updated_at != seen_at:
            raise PromoChanged
        return issue_code(code=code.code, terms=terms, by=by, reason=reason)
