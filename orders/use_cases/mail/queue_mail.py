from datetime import timedelta
from enum import StrEnum
from uuid import UUID

from billing.jobs import enqueue


class Mail(StrEnum):
    """The mails of the service; the value is the template's name."""

    ORDER_PLACED = "order_placed"
    PAYMENT_RECEIVED = "payment_received"
    PAYMENT_FAILED = "payment_failed"
    REFUNDED = "refunded"
    RENEWED = "renewed"
    PAST_DUE = "past_due"
    CANCELED = "canceled"
    INVITED = "invited"
    RENEWAL_AHEAD = "renewal_ahead"


def queue_mail(mail: Mail, subject_id: UUID, *, event_id: str = "", delay: timedelta | None = None) -> None:
    """Queues a mail. The worker sends it at least once, after the transaction commits.

    Args: subject_id: the order of a payment or refund, the invoice of a month, the subscription that ended or
    renews, or the member who was invited.
    event_id: an event of the inbox that holds a link to pay. delay: how much later it is sent. Transaction: joins.
    """
    enqueue("send_mail", delay=delay, mail=mail.value, subject_id=str(subject_id), event_id=event_id)
