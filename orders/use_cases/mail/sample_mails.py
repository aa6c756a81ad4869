"""Mails with invented values, which staff read before their recipients do."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.conf import settings
from django.utils.functional import lazy

from billing.actor import SUPPORT
from billing.local_time import day_text
from billing.models import Proposal
from billing.money import exponent, format_money, local_money
from billing.organization_roles import ROLE_NAMES, OrganizationRole
from billing.use_cases.identity.email_moved_mail import email_moved_context
from billing.use_cases.mail.compose_mail import ComposedMail, compose_mail
from billing.use_cases.proposals.mail import proposal_context
from promos.models import Alert
from promos.use_cases.alerts.send_alert_mail import alert_context

_DAY, _NEXT = datetime(2027, 3, 1, 12, tzinfo=UTC), datetime(2027, 4, 1, 12, tzinfo=UTC)
_ORDER = "01a206fe-6626-7d50-8e6d-02d212e822dc"


def _minor(major: int) -> int:
    return major * int(10 ** exponent(settings.SOVEREIGN_CURRENCY))


def _money(major: int) -> Any:
    return lazy(local_money, str)(_minor(major), currency=settings.SOVEREIGN_CURRENCY)


def _stored_money(major: int) -> str:
    return format_money(_minor(major), currency=settings.SOVEREIGN_CURRENCY)


def _day(value: datetime) -> Any:
    return lazy(day_text, str)(value)


def _samples() -> dict[str, dict[str, Any]]:
    """Returns the context of each mail, by the name of its template."""
    month = {"from": _day(_DAY), "until": _day(_NEXT), "amount": _money(12), "balance": _money(8)}
    bill = {
        "order": _ORDER,
        "date": _day(_DAY),
        "lines": [{"name": "M", "price": _money(9)}, {"name": "Daily Backup", "price": _money(3)}],
        "total": _money(12),
        "from_credit": _money(7),
        "from_card": _money(5),
        "balance": _money(8),
    }
    link = f"https://{settings.SOVEREIGN_DOMAIN}/"
    return {
        "sign_in_code": {"code": "123456", "minutes": 5},
        "invited": {
            "role": ROLE_NAMES[OrganizationRole.MEMBER],
            "domain": settings.SOVEREIGN_DOMAIN,
            "address": "ada@example.org",
        },
        "renewal_ahead": {"date": _day(_NEXT), "amount": _money(9), "by_card": False, "balance": _money(15)},
        "credit_runs_out": {"date": _day(_NEXT), "amount": _money(9), "balance": _money(8)},
        "order_placed": {**bill, "due": _money(5), "held": _money(7), "until": _day(_NEXT), "link": link},
        "payment_received": {**bill, "address": f"ada-bakery.{settings.SOVEREIGN_DOMAIN}"},
        "payment_failed": {"order": _ORDER, "amount": _money(5), "is_renewal": False},
        "renewed": {**bill, **month, "invoice": _ORDER},
        "past_due": {**month, "link": link, "due": _money(4), "by_card": False, "grace_days": 7},
        "credit_expires": {"amount": _money(8), "date": _day(_NEXT)},
        "refunded": {
            "order": _ORDER,
            "in_part": False,
            "to_card": _money(5),
            "to_credit": _money(7),
            "balance": _money(15),
            "has_ended": True,
        },
        "canceled": {"date": _day(_NEXT), "was_unpaid": False, "balance": _money(8)},
        "email_moved_away": email_moved_context("ada@example.org", at=_DAY),
        "email_moved_here": email_moved_context("ada@example.net", at=_DAY),
        "account_deleted": {},
        "proposal": proposal_context(
            Proposal(
                id=UUID(_ORDER),
                title=f"Adjust the credit of ada@example.org by {_stored_money(5)}",
                changes=[["Credit", _stored_money(8), _stored_money(13)]],
                reason="Ticket 4711",
                proposer_email="sara@example.org",
                proposer_role=SUPPORT,
                expires_at=_NEXT,
            )
        ),
        "alert": alert_context(Alert(id=UUID(_ORDER), kind=Alert.Kind.ADDRESS, subject="203.0.113.9", number=240)),
    }


def sample_names() -> list[str]:
    return list(_samples())


def compose_sample(name: str, *, language: str) -> ComposedMail:
    """Writes a sample in a language. Raises: KeyError for an unknown name."""
    context = {"organization": "Ada Bakery", "may_order": True, **_samples()[name]}
    return compose_mail(template=f"mail/{name}.txt", context=context, language=language)
