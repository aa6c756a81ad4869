from typing import Any

from django.conf import settings
from django.core.mail import EmailMessage
from django.template.loader import render_to_string

from billing.use_cases.outside_calls import check_outside_calls


def send_text_mail(*, template: str, context: dict[str, Any], address: str, reference: str = "") -> None:
    """Sends a mail of plain text. The first line of the template is the subject.

    Args: reference: the same on every try; the Message-ID is made from it.
    Raises: OutsideCallsHeld; any failure of the mail server.
    """
    check_outside_calls()
    text = render_to_string(template, {"sovereign": settings.SOVEREIGN_NAME, **context})
    subject, _, body = text.partition("\n")
    EmailMessage(
        # Django refuses to send a subject with a line break, which a name may contain.
        subject=" ".join(subject.split()),
        body=body.strip() + "\n",
        to=[address],
        headers={"Message-ID": f"<{reference}@{settings.SOVEREIGN_DOMAIN}>"} if reference else {},
    ).send()
