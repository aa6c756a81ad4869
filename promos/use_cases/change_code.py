"""Pause, resume or retire a live code. No code is ever deleted."""

from typing import Any

from django.db import transaction
from django.utils import timezone

from billing.actor import Actor
from billing.use_cases.record_audit import record_audit
from promos.errors import LiveCodeNotFound
from promos.locks import lock_code_exclusively
from promos.models import PromoCode
from promos.queries import codes_with_use, normal_code


def pause_code(*, code: str, by: Actor, reason: str = "") -> PromoCode:
    """Pauses a code. When this returns, no redemption of it is in flight.

    Raises: LiveCodeNotFound. Locks: the code's advisory lock, exclusively. Transaction: owns. Idempotency: yes.
    """
    return _change(code, {"active": False}, action="promo_code.paused", by=by, reason=reason)


def resume_code(*, code: str, by: Actor, reason: str = "") -> PromoCode:
    """Lets a paused code be redeemed again. Otherwise as `pause_code`."""
    return _change(code, {"active": True}, action="promo_code.resumed", by=by, reason=reason)


def retire_code(*, code: str, by: Actor, reason: str = "") -> PromoCode:
    """Removes a code from all lists; issuing it again brings it back. Otherwise as `pause_code`."""
    return _change(code, {"retired_at": timezone.now()}, action="promo_code.retired", by=by, reason=reason)


def _change(code: str, state: dict[str, Any], *, action: str, by: Actor, reason: str) -> PromoCode:
    text = normal_code(code)
    with transaction.atomic():
        found = PromoCode.objects.filter(code=text, for_cards=False, retired_at__isnull=True).first()
        if found is None:
            raise LiveCodeNotFound
        # Races with redemptions in flight and with another admin, so the code is read again under the lock.
        lock_code_exclusively(promo_code_id=found.id)
        promo_code = codes_with_use().get(id=found.id)
        if promo_code.retired_at is not None:
            raise LiveCodeNotFound
        if all(getattr(promo_code, name) == value for name, value in state.items()):
            return promo_code
        changes = {name: [_json(getattr(promo_code, name)), _json(value)] for name, value in state.items()}
        for name, value in state.items():
            setattr(promo_code, name, value)
        promo_code.updated_at = timezone.now()
        promo_code.save(update_fields=[*state, "updated_at"])
        record_audit(action=action, object_type="promo_code", object_id=text, by=by, changes=changes, reason=reason)
        return promo_code


def _json(value: Any) -> Any:
    return value if value is None or isinstance(value, bool) else value.isoformat()
