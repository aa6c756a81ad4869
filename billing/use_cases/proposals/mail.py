"""Tells those who can approve that a proposal waits for them."""

from uuid import UUID

import structlog
from django.conf import settings
from django.urls import reverse

from billing.local_time import local_text
from billing.models import Proposal
from billing.use_cases.mail.send_templated_mail import send_templated_mail

logger = structlog.get_logger(__name__)


def send_proposal_mail(*, proposal_id: UUID, address: str) -> bool:
    """Mails the proposal to one member of staff; False where it was decided meanwhile, or mail is not configured.

    Raises: any failure of the mail server; the job retries. Transaction: none.
    """
    proposal = Proposal.objects.get(id=proposal_id)
    if not proposal.is_open() or settings.EMAIL_BACKEND.endswith("dummy.EmailBackend"):
        logger.info("proposal_mail_not_sent", proposal_id=str(proposal_id))
        return False
    send_templated_mail(
        template="mail/proposal.txt",
        context={
            "proposal": proposal,
            "proposer": proposal.proposer_email or proposal.proposer_id,
            "expires": f"{local_text(proposal.expires_at)} {settings.SOVEREIGN_TIME_ZONE}",
            "page": reverse("admin:billing_proposal_change", args=[proposal.pk]),
        },
        address=address,
        reference=f"proposal-{proposal.pk}",
    )
    return True
