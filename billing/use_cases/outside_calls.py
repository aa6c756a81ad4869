"""Holds mail, events and charges of a database that was restored from a backup, until an operator releases them.

The worker starts no job while they are held, so nothing is lost: what waits is done after the release. The web server
answers as if no card processor were configured.
"""

from django.db import transaction
from django.utils import timezone

from billing.actor import Actor
from billing.errors import OutsideCallsHeld
from billing.models import Restoration
from billing.use_cases.record_audit import record_audit


def are_outside_calls_held() -> bool:
    """Tells whether this database was restored and not released. One query."""
    return Restoration.objects.filter(released_at=None).exists()


def check_outside_calls() -> None:
    """Raises: OutsideCallsHeld."""
    if are_outside_calls_held():
        raise OutsideCallsHeld


def hold_outside_calls(*, by: Actor, reason: str) -> None:
    """Holds everything that leaves this service. Transaction: owns. Idempotency: a second hold adds nothing."""
    with transaction.atomic():
        if not are_outside_calls_held():
            _record("outside_calls.held", Restoration.objects.create(), by=by, reason=reason)


def release_outside_calls(*, by: Actor, reason: str) -> bool:
    """Releases what is held, and returns whether anything was. Transaction: owns."""
    with transaction.atomic():
        held = list(Restoration.objects.select_for_update(no_key=True).filter(released_at=None))
        for restoration in held:
            restoration.released_at, restoration.released_by = timezone.now(), by.user_id
            restoration.save(update_fields=["released_at", "released_by"])
            _record("outside_calls.released", restoration, by=by, reason=reason)
    return bool(held)


def _record(action: str, restoration: Restoration, *, by: Actor, reason: str) -> None:
    record_audit(action=action, object_type="restoration", object_id=str(restoration.pk), by=by, reason=reason)
