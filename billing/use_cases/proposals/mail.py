"""Tells those who can approve that a proposal waits for them."""

from typing import Any
from uuid import UUID

import structlog
from django.utils.formats import date_format
from django.utils.functional import lazy

from billing.language import name_role, say
from billing.local_time import to_local
from billing.models import Proposal
from billing.stored_words import say_stored, say_stored_value
from billing.use_cases.mail.console_address import console_address
from billing.use_cases.mail.send_templated_mail import is_mail_configured, send_templated_mail
from billing.use_cases.mail.staff_language import language_of_staff

logger = structlog.get_logger(__name__)


def send_proposal_mail(*, proposal_id: UUID, address: str) -> bool:
    """Mails the proposal to one member of staff; False where it was decided meanwhile, or mail is not configured.

    Raises: any failure of the mail server; the job retries. Transaction: none.
    """
    proposal = Proposal.objects.get(id=proposal_id)
    if not proposal.is_open() or not is_mail_configured():
        logger.info("proposal_mail_not_sent", proposal_id=str(proposal_id))
        return False
    send_templated_mail(
        template="mail/proposal.txt",
        context=proposal_context(proposal),
        address=address,
        language=language_of_staff(address),
        reference=f"proposal-{proposal.pk}",
    )
    return True


def proposal_context(proposal: Proposal) -> dict[str, Any]:
    """Returns the values of the mail about a proposal, which are written in the language of the mail."""
    return {
        "title": lazy(say_stored, str)(proposal.title),
        "changes": [lazy(_say_change, str)(*change) for change in proposal.changes],
        "reason": proposal.reason,
        "proposer": proposal.proposer_email or proposal.proposer_id,
        "role": lazy(name_role, str)(proposal.proposer_role),
        "expires": lazy(date_format, str)(to_local(proposal.expires_at), "ZONED_MOMENT"),
        "page": console_address("admin:billing_proposal_change", proposal.pk),
    }


def _say_change(name: str, before: str, after: str) -> str:
    return say(
        "%(name)s: %(before)s → %(after)s",
        name=say(name),
        before=say_stored_value(name, before) or "\N{EN DASH}",
        after=say_stored_value(name, after) or "\N{EN DASH}",
    )
