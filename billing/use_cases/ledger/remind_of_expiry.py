"""Reminds customers of credit that expires soon: one mail for each lot."""

from datetime import timedelta
from uuid import UUID

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.utils import timezone
from django.utils.functional import lazy

from billing.jobs import enqueue
from billing.local_time import day_text
from billing.models import Lot
from billing.money import local_money
from billing.use_cases.mail.send_templated_mail import is_mail_configured, send_templated_mail
from billing.use_cases.personal.mail_choices import unsubscribe_address

logger = structlog.get_logger(__name__)

_MAIL = "credit_expires"
# Limits a transaction: its lots stay locked until it ends.
MAX_BATCH = 100


def remind_of_expiry() -> int:
    """Queues a mail for each lot that expires within CREDIT_REMINDER_DAYS, and returns how many.

    Locks: Lot, without waiting. Transaction: owns, one for each batch. Idempotency: yes, a lot is reminded of once.
    """
    if not settings.CREDIT_REMINDER_DAYS or not is_mail_configured():
        return 0
    queued = 0
    while batch := _queue_batch():
        queued += batch
    return queued


@transaction.atomic
def _queue_batch() -> int:
    now = timezone.now()
    due = Lot.objects.filter(
        left_minor__gt=F("held_minor"),
        expires_at__gt=now,
        expires_at__lte=now + timedelta(days=settings.CREDIT_REMINDER_DAYS),
        reminded_at=None,
    ).filter(left_minor__gt=0)
    # Races with an entry of the account, which locks several lots. So this waits for none: the next round takes it.
    locked = due.select_for_update(no_key=True, skip_locked=True).order_by("expires_at")
    keys = list(locked.values_list("pk", flat=True)[:MAX_BATCH])
    Lot.objects.filter(pk__in=keys).update(reminded_at=now)
    for key in keys:
        enqueue("send_expiry_reminder", lot_id=str(key))
    return len(keys)


def send_expiry_reminder(*, lot_id: UUID) -> bool:
    """Mails the reminder of a lot; False where nothing of it is left to expire, or the customer has no address or
    declined.

    Raises: any failure of the mail server; the job retries. Transaction: none.
    """
    lot = Lot.objects.select_related("account__customer").get(pk=lot_id)
    customer = lot.account.customer
    left_minor, address = lot.left_minor - lot.held_minor, customer.email
    is_wanted = bool(left_minor and address) and _MAIL not in customer.declined_mails
    if lot.expires_at is None or lot.expires_at <= timezone.now() or not is_wanted:
        logger.info("expiry_reminder_not_sent", lot_id=str(lot_id))
        return False
    send_templated_mail(
        template=f"mail/{_MAIL}.txt",
        context={
            "amount": lazy(local_money, str)(left_minor, currency=lot.account.currency),
            "date": lazy(day_text, str)(lot.expires_at),
        },
        address=address,
        language=customer.language,
        reference=f"expiry-{lot_id}",
        unsubscribe=unsubscribe_address(customer, _MAIL),
    )
    return True
