from django.utils import timezone

from billing.models import Verification

_MAX_FAULT_LENGTH = 300


def record_verification(books: Verification.Books, *, fault: str = "") -> None:
    """Records that books were verified now, and the first fault if they are wrong. Monitoring reads it.

    Transaction: joins.
    """
    found = {"verified_at": timezone.now(), "fault": fault[:_MAX_FAULT_LENGTH]}
    Verification.objects.update_or_create(books=books, defaults=found)
