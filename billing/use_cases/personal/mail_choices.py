"""Chooses which of the optional mails a customer gets. Mails about money that moved are not optional."""

from urllib.parse import quote

from django.conf import settings
from django.core import signing
from django.db import transaction

from billing.actor import Actor, anonymous_actor
from billing.errors import InvalidUnsubscribeLink
from billing.models import OPTIONAL_MAILS, Customer
from billing.use_cases.ensure_customer import ensure_customer
from billing.use_cases.record_audit import record_audit

_PURPOSE = "unsubscribe"


def choose_mails(*, wanted: set[str], by: Actor) -> None:
    """Stores which optional mails the customer wants; unknown names change nothing. Transaction: owns."""
    with transaction.atomic():
        ensure_customer(user_id=by.user_id, email=by.email)
        customer = Customer.objects.select_for_update(no_key=True).get(user_id=by.user_id)
        _store(customer, {name for name in OPTIONAL_MAILS if name not in wanted}, by=by)


def wanted_mails(*, user_id: str) -> dict[str, bool]:
    """Returns which optional mails the customer wants; all of them unless some were declined. One query."""
    declined = Customer.objects.filter(user_id=user_id).values_list("declined_mails", flat=True).first() or []
    return {name: name not in declined for name in OPTIONAL_MAILS}


def unsubscribe_address(customer: Customer, mail: str) -> str:
    """Returns the page that declines this mail without a sign-in; empty for a mail that is not optional.

    Where the platform signs people in there are no pages.
    """
    if mail not in OPTIONAL_MAILS or not settings.AUTH_ENABLED:
        return ""
    token = signing.dumps([customer.pk, mail], salt=_PURPOSE)
    return str(settings.UNSUBSCRIBE_URL).replace("{token}", quote(token))


def read_unsubscribe_token(token: str) -> tuple[Customer, str]:
    """Returns the customer and the mail of a link. Raises: InvalidUnsubscribeLink."""
    try:
        key, mail = signing.loads(token, salt=_PURPOSE)
        return Customer.objects.get(pk=key), str(mail)
    except (signing.BadSignature, Customer.DoesNotExist) as error:
        raise InvalidUnsubscribeLink from error


def unsubscribe(*, token: str, address: str | None) -> str:
    """Declines the mail of a link, and returns its name.

    Raises: InvalidUnsubscribeLink. Transaction: owns. Idempotency: yes.
    """
    found, mail = read_unsubscribe_token(token)
    with transaction.atomic():
        customer = Customer.objects.select_for_update(no_key=True).get(pk=found.pk)
        _store(customer, {*customer.declined_mails, mail}, by=anonymous_actor(channel="page", address=address))
    return mail


def _store(customer: Customer, declined: set[str], *, by: Actor) -> None:
    before = sorted(customer.declined_mails)
    if before == sorted(declined):
        return
    customer.declined_mails = sorted(declined)
    customer.save(update_fields=["declined_mails"])
    record_audit(
        action="customer.mails_chosen",
        object_type="customer",
        object_id=customer.user_id,
        by=by,
        changes={"declined_mails": [before, customer.declined_mails]},
    )
