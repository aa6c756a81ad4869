from enum import StrEnum
from uuid import UUID

from orders.jobs import enqueue


class Mail(StrEnum):
    """What a customer is written; the value is the template's name."""

    PAYMENT_RECEIVED = "payment_received"
    PAYMENT_FAILED = "payment_failed"
    REFUNDED = "refunded"
    RENEWED = "renewed"
    PAST_DUE = "past_due"
    CANCELED = "canceled"


def queue_mail(mail: Mail, subject_id: UUID, *, event_id: str = "") -> None:
    """Has the worker write to the customer, once the transaction commits, and at least once.

    Args: subject_id: the order of a payment or refund, the invoice of a month, the subscription that ended.
    event_id: the event of the inbox that tells more. Transaction: joins.
    """
    enqueue("send_mail", mail=mail.value, subject_id=str(subject_id), event_id=event_id)
