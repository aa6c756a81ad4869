"""Tells the staff who run vouchers that an alert is open."""

from typing import Any
from uuid import UUID

import structlog
from django.conf import settings
from django.utils.functional import lazy

from billing.language import say
from billing.money import local_money
from billing.use_cases.mail.console_address import console_address
from billing.use_cases.mail.send_templated_mail import is_mail_configured, send_templated_mail
from billing.use_cases.mail.staff_language import language_of_staff
from promos.models import Alert

logger = structlog.get_logger(__name__)


def send_alert_mail(*, alert_id: UUID, address: str) -> bool:
    """Mails the alert to one member of staff; False where it was closed meanwhile, or mail is not configured.

    Raises: any failure of the mail server; the job retries. Transaction: none.
    """
    alert = Alert.objects.get(id=alert_id)
    if alert.closed_at is not None or not is_mail_configured():
        logger.info("alert_mail_not_sent", alert_id=str(alert_id))
        return False
    send_templated_mail(
        template="mail/alert.txt",
        context=alert_context(alert),
        address=address,
        language=language_of_staff(address),
        reference=f"alert-{alert.pk}",
    )
    return True


def alert_context(alert: Alert) -> dict[str, Any]:
    """Returns the values of the mail about an alert, which are written in the language of the mail."""
    return {
        "kind": lazy(alert.get_kind_display, str)(),
        "what": lazy(_say_what, str)(alert),
        "page": console_address("admin:promos_alert_change", alert.pk),
    }


def _say_what(alert: Alert) -> str:
    return say(
        "%(kind)s: %(subject)s (%(number)s)",
        kind=alert.get_kind_display(),
        subject=alert.subject,
        number=_say_number(alert),
    )


def _say_number(alert: Alert) -> str:
    if not alert.allowed:
        return f"{alert.number:,}"
    is_credit = alert.kind in (Alert.Kind.BUDGET_80, Alert.Kind.BUDGET_100)
    part, whole = (_say_credit(each) if is_credit else f"{each:,}" for each in (alert.number, alert.allowed))
    return say("%(part)s of %(whole)s", part=part, whole=whole)


def _say_credit(minor: int) -> str:
    return local_money(minor, currency=settings.SOVEREIGN_CURRENCY)
