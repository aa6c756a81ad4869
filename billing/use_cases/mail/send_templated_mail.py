from typing import Any

from django.conf import settings
from django.core.mail import EmailMultiAlternatives

from billing.use_cases.mail.compose_mail import compose_mail
from billing.use_cases.outside_calls import check_outside_calls


def is_mail_configured() -> bool:
    """Tells whether mails reach anyone: without a mail server they are dropped."""
    return settings.EMAIL_BACKEND != "django.core.mail.backends.dummy.EmailBackend"


def send_templated_mail(
    *,
    template: str,
    context: dict[str, Any],
    address: str,
    language: str = "",
    reference: str = "",
    unsubscribe: str = "",
) -> None:
    """Sends a mail of plain text with the same in HTML.

    Args: language, unsubscribe: see `compose_mail`. reference: the same on every try; the Message-ID is made from it.
    Raises: OutsideCallsHeld; any failure of the mail server.
    """
    check_outside_calls()
    composed = compose_mail(template=template, context=context, language=language, unsubscribe=unsubscribe)
    headers = {"Message-ID": f"<{reference}@{settings.SOVEREIGN_DOMAIN}>"} if reference else {}
    if unsubscribe:
        # Mail programs show a button that declines without opening the page (RFC 8058).
        headers |= {"List-Unsubscribe": f"<{unsubscribe}>", "List-Unsubscribe-Post": "List-Unsubscribe=One-Click"}
    message = EmailMultiAlternatives(
        subject=composed.subject,
        body=composed.text,
        to=[address],
        headers=headers,
    )
    message.attach_alternative(composed.html, "text/html")
    message.send()
