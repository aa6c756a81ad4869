"""Tells the staff who run vouchers that an alert is open."""

from uuid import UUID

import structlog
from django.conf import settings
from django.urls import reverse

from billing.use_cases.mail.send_templated_mail import send_templated_mail
from promos.models import Alert

logger = structlog.get_logger(__name__)


def send_alert_mail(*, alert_id: UUID, address: str) -> bool:
    """Mails the alert to one member of staff; False where it was closed meanwhile, or mail is not configured.

    Raises: any failure of the mail server; the job retries. Transaction: none.
    """
    alert = Alert.objects.get(id=alert_id)
    if alert.closed_at is not None or settings.EMAIL_BACKEND.endswith("dummy.EmailBackend"):
        logger.info("alert_mail_not_sent", alert_id=str(alert_id))
        return False
    page = reverse("admin:promos_alert_change", args=[alert.pk])
    send_templated_mail(
        template="mail/alert.txt",
        context={"alert": alert, "page": page},
        address=address,
        reference=f"alert-{alert.pk}",
    )
    return True
