"""Tells a customer that staff moved the account to another e-mail address.

A notice of security, so it is not optional. It goes to both addresses, and names only the one it goes to: the new one
may be mistyped, and the mailbox of the old one may be in other hands.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

import structlog
from django.utils.formats import date_format
from django.utils.functional import lazy

from billing.jobs import enqueue
from billing.language import isolate
from billing.local_time import to_local
from billing.models import AuditEntry, Customer
from billing.use_cases.mail.send_templated_mail import is_mail_configured, send_templated_mail

logger = structlog.get_logger(__name__)

# The mails to the old address and to the new one.
_TEMPLATES = ("email_moved_away", "email_moved_here")


def queue_email_moved_mails(entry: AuditEntry) -> None:
    """Queues a mail to the old address and one to the new. Transaction: joins."""
    for mail, address in zip(_TEMPLATES, entry.changes["email"], strict=True):
        if address:
            enqueue("send_email_moved_mail", entry_id=str(entry.pk), mail=mail)


def send_email_moved_mail(*, entry_id: UUID, mail: str) -> bool:
    """Mails one address of a move; False where mail is not configured, or the customer was erased meanwhile.

    Args: entry_id: the audit entry of the move. mail: the one of the old address, or of the new one.
    Raises: any failure of the mail server; the job retries. Transaction: none.
    """
    entry = AuditEntry.objects.get(pk=entry_id)
    customer = Customer.objects.get(pk=entry.object_id)
    if customer.erased_at is not None or not is_mail_configured():
        logger.info("email_moved_mail_not_sent", entry_id=str(entry_id))
        return False
    address = entry.changes["email"][_TEMPLATES.index(mail)]
    send_templated_mail(
        template=f"mail/{mail}.txt",
        context=email_moved_context(address, at=entry.created_at),
        address=address,
        language=customer.language,
        reference=f"{mail}-{entry_id}",
    )
    return True


def email_moved_context(address: str, *, at: datetime) -> dict[str, Any]:
    """Returns the values of the mail, which are written in its language."""
    return {
        "address": lazy(isolate, str)(address),
        "moment": lazy(date_format, str)(to_local(at), "ZONED_MOMENT"),
    }
