from datetime import datetime

from django.db import transaction

from billing.actor import Actor
from promos.errors import PromoChanged
from promos.locks import lock_code_exclusively
from promos.models import PromoCode
from promos.use_cases.issue_code import Terms, issue_code


def edit_code(*, code: PromoCode, seen_at: datetime, terms: Terms, by: Actor, reason: str) -> PromoCode:
    """Gives a code new terms, if it still is what the editor saw; a retired one is brought back.

    Without the check, terms that were entered while another admin retired the code would bring it back.

    Args: seen_at: the code's `updated_at` when it was shown.
    Raises: PromoChanged, InvalidPromo, CapBelowUsed. Locks: the code's advisory lock, alone. Transaction: owns.
    """
    with transaction.atomic():
        # Races with another admin, and with redemptions in flight; read again under the lock.
        lock_code_exclusively(promo_code_id=code.id)
        code.refresh_from_db(fields=["updated_at"])
        if code.updated_at != seen_at:
            raise PromoChanged
        return issue_code(code=code.code, terms=terms, by=by, reason=reason)
