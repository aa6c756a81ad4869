"""Removes an erased customer's addresses from history, and mails the confirmation.

Every text and JSON value of every table is searched, but of the books: ledger entries, invoices and receipts stay as
they are. What Stripe sent about the person, such as the name on the card, is removed from Stripe's objects of this
customer. A name is not searched for: customers choose theirs, so one named "voucher" would change all history.
"""

import json
import re
from typing import Any, cast

from django.db import connection, transaction
from django.utils import timezone
from psycopg import sql

from billing.actor import system_actor
from billing.models import Customer, Erasure
from billing.queries import cursor_without_timeout
from billing.use_cases.mail.send_templated_mail import is_mail_configured, send_templated_mail
from billing.use_cases.record_audit import record_audit

# Rows that name people, each under a key of its own. Another customer may have the same address.
IDENTITIES = (
    "account_emailaddress",
    "billing_auditentry",
    "billing_customer",
    "billing_erasure",
    "billing_organizationmember",
    "billing_signincode",
    "billing_user",
)
_PERSON = ("billing_details", "customer_address", "customer_details", "customer_shipping", "shipping")
_PERSONAL = ("customer_email", "customer_name", "customer_phone", "receipt_email")
_OF_CUSTOMER = ("address", "email", "name", "phone", "shipping")


def finish_erasure(*, customer_id: int) -> None:
    """Mails the confirmation, and removes the customer's texts from history. It reads all of history once.

    Raises: any failure of the mail server; the job retries.
    Transaction: owns. Idempotency: a second call does nothing.
    """
    erasure = Erasure.objects.filter(pk=customer_id).first()
    if erasure is None:
        return
    _mail(erasure)
    customers = Customer.objects.filter(pk=customer_id) | Customer.objects.filter(merged_into=customer_id)
    user_ids = list(customers.order_by("pk").values_list("user_id", flat=True))
    stripe_ids = [each for each in customers.values_list("stripe_customer_id", flat=True) if each]
    with transaction.atomic(), cursor_without_timeout() as cursor:
        for table, column in _columns_of_stripe():
            for stripe_id in stripe_ids:
                _scrub(table, column, stripe_id)
        pattern = _pattern(erasure.addresses)
        if pattern:
            cursor.execute("SELECT billing_erase_text(%s, %s)", [pattern, list(IDENTITIES)])
        cursor.execute("SELECT * FROM billing_erase_audit(%s, %s)", [user_ids, pattern or "$ never"])
        record_audit(
            action="customer.erased",
            object_type="customer",
            object_id=str(customer_id),
            by=system_actor(channel="worker"),
            changes={"audit_entries": [None, [list(each) for each in cursor.fetchall()]]},
        )
        erasure.delete()


def _mail(erasure: Erasure) -> None:
    if erasure.mailed_at or not erasure.addresses or not is_mail_configured():
        return
    send_templated_mail(
        template="mail/account_deleted.txt", context={}, address=erasure.addresses[0], language=erasure.language
    )
    Erasure.objects.filter(pk=erasure.pk).update(mailed_at=timezone.now())


def _pattern(addresses: list[str]) -> str:
    """Returns a regular expression of PostgreSQL that finds the addresses, but not inside longer ones."""
    escaped = "|".join(re.sub(r"([^\w@])", r"\\\1", address) for address in addresses)
    return rf"(?<![\w.+-])({escaped})(?![\w-]|\.\w)" if escaped else ""


def _columns_of_stripe() -> list[tuple[str, str]]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = current_schema()"
            " AND ((table_name LIKE %s AND column_name = 'stripe_data')"
            " OR (table_name = 'orders_stripeevent' AND column_name = 'payload'))",
            [r"djstripe\_%"],
        )
        return cast("list[tuple[str, str]]", cursor.fetchall())


def _scrub(table: str, column: str, stripe_id: str) -> None:
    """Removes the person from Stripe's objects that name the customer."""
    name, field = sql.Identifier(table), sql.Identifier(column)
    with connection.cursor() as cursor:
        cursor.execute(
            sql.SQL("SELECT ctid::text, {0} FROM {1} WHERE strpos({0}::text, %s) > 0 FOR NO KEY UPDATE").format(
                field, name
            ),
            [stripe_id],
        )
        for place, value in cursor.fetchall():
            sent = json.loads(value)
            changed = without_person(sent)
            if changed != sent:
                statement = sql.SQL("UPDATE {} SET {} = %s WHERE ctid = %s::tid").format(name, field)
                cursor.execute(statement, [json.dumps(changed), place])


def without_person(value: Any) -> Any:
    """Returns an object of Stripe without the parts that name a person."""
    if isinstance(value, list):
        return [without_person(each) for each in value]
    if not isinstance(value, dict):
        return value
    gone = {*_PERSON, *_PERSONAL, *(_OF_CUSTOMER if value.get("object") == "customer" else ())}
    return {name: None if name in gone else without_person(each) for name, each in value.items()}
