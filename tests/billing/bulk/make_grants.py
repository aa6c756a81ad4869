"""Bulk grants for tests, made through the use cases."""

from billing.models import BulkGrant
from billing.use_cases.bulk.draft_bulk_grant import GrantTerms, draft_bulk_grant, good_rows
from billing.use_cases.bulk.read_grant_list import read_grant_list
from billing.use_cases.bulk.run_bulk_grant import run_bulk_grant
from billing.use_cases.bulk.start_bulk_grant import start_bulk_grant
from tests.factories import actor

STAFF = actor(user_id="sara")


def draft(*rows: str, name: str = "outage-2026", **terms: object) -> BulkGrant:
    """Returns a draft of these rows of a file: `ada,5`."""
    given = GrantTerms(name=name, reason="the outage of May", **terms)  # type: ignore[arg-type]
    found = read_grant_list("\n".join(rows).encode())
    return draft_bulk_grant(terms=given, rows=good_rows(found), by=STAFF)[0]


def running(*rows: str, **terms: object) -> BulkGrant:
    """Returns a bulk grant that is started, and of which no row is granted yet."""
    return start_bulk_grant(bulk_grant_id=draft(*rows, **terms).pk, by=STAFF, reason="agreed")  # type: ignore[arg-type]


def done(*rows: str, **terms: object) -> BulkGrant:
    """Returns a bulk grant whose rows are all granted."""
    found = running(*rows, **terms)
    run_bulk_grant(bulk_grant_id=found.pk)
    found.refresh_from_db()
    return found
