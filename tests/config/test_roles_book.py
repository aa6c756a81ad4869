"""The book of roles says what the code does, and a role reads the same in the console and over the API."""

import os

import pytest

from billing.actor import SUPERADMIN
from tests.roles_book import BOOK, book, readers_in_console, readers_over_api

pytestmark = pytest.mark.django_db

# The beginning of an address that staff read → the page of the console that shows the same records.
SAME_RECORDS = {
    "billing/admin/documents": "orders.document",
    "billing/admin/events": "orders.outboxevent",
    "billing/admin/explain": "billing.ledgerentry",
    "billing/admin/months": "orders.closedmonth",
    "billing/admin/orders": "orders.order",
    "billing/admin/past": "billing.ledgerentry",
    "billing/admin/promos": "promos.promocode",
    "billing/admin/revenue": "orders.closedmonth",
    "billing/admin/settings": "billing.processorsettings",
    "billing/admin/webhooks": "orders.webhookendpoint",
    "billing/alerts": "promos.alert",
    "billing/attempts": "promos.refusedattempt",
    "billing/batches": "promos.batch",
    "billing/batches/<uuid:batch_id>/cards": "promos.card",
    "billing/batches/<uuid:batch_id>/ranges": "promos.cardrange",
    "billing/campaigns": "promos.campaign",
    "billing/dealers": "promos.dealer",
    "billing/grants": "billing.bulkgrant",
    "billing/proposals": "billing.proposal",
    "billing/ranges": "promos.cardrange",
    "billing/vouchers": "promos.promocode",
}
# The file with the codes of a secret batch: only issuers read it, in the console too.
HANDED_OUT = "billing/batches/<uuid:batch_id>/printer-file"
# The contract gives these to superadmins. In the console support and auditors see organizations too.
OF_SUPERADMINS = "tenant/admin/tenants"


def test_the_book_of_roles_is_up_to_date() -> None:
    text = book()
    if os.environ.get("WRITE_ROLES_BOOK"):
        BOOK.write_text(text)
    assert BOOK.read_text() == text, "WRITE_ROLES_BOOK=1 with this test writes the book anew: check what changes"


def test_a_role_reads_the_same_in_the_console_and_over_the_api() -> None:
    console, api = readers_in_console(), readers_over_api()
    handed_out = api.pop(HANDED_OUT)
    assert handed_out < console["promos.batch"]
    for path in [path for path in api if path.startswith(OF_SUPERADMINS)]:
        assert api.pop(path) == {SUPERADMIN}
    longest = {path: max((each for each in SAME_RECORDS if path.startswith(each)), key=len) for path in api}
    assert set(longest.values()) == SAME_RECORDS.keys()
    assert {path: who for path, who in api.items() if who != console[SAME_RECORDS[longest[path]]]} == {}
