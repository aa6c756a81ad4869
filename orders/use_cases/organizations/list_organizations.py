import json
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from billing.actor import Actor
from billing.database.shared_read import Read, Row, SharedRead
from billing.models import Organization
from billing.text import normal_email
from billing.use_cases.organizations.bind_invitations import bind_invitations

_COLUMNS = ("id", "slug", "name", "plan_id", "apps", "addons", "status", "created_at", "vat_number")
# The parts of the union are the organizations that the caller owns, joined, and is invited to.
_LIST_STATEMENT = f"""
SELECT asked.position, listed.*
  FROM unnest(ARRAY(SELECT unnest(%s::text[])), %s::text[], %s::timestamptz[], %s::uuid[], %s::int[])
       WITH ORDINALITY AS asked (user_id, email, at, key, number, position)
 CROSS JOIN LATERAL (
WITH customer AS (SELECT id FROM billing_customer WHERE user_id = asked.user_id),
     invitation AS (SELECT organization_id AS id FROM billing_organizationmember
                     WHERE customer_id IS NULL AND email = asked.email AND asked.email <> '')
SELECT {", ".join(f"o.{name}" for name in _COLUMNS)},
       EXISTS (SELECT FROM invitation WHERE invitation.id = o.id),
       (SELECT json_agg(app.slug ORDER BY named.place)
          FROM jsonb_array_elements_text(o.apps) WITH ORDINALITY AS named (id, place)
          JOIN orders_app app ON app.id::text = named.id)::text,
       (SELECT jsonb_object_agg(app_id, state) FROM orders_unsettledapp WHERE organization_id = o.id)::text
  FROM billing_organization o
 WHERE o.id IN (SELECT id FROM billing_organization WHERE customer_id = (SELECT id FROM customer)
                 UNION SELECT organization_id FROM billing_organizationmember
                        WHERE customer_id = (SELECT id FROM customer)
                 UNION SELECT id FROM invitation)
   AND o.status <> 'deleted'
   AND (asked.at IS NULL OR (o.created_at, o.id) < (asked.at, asked.key))
 ORDER BY o.created_at DESC, o.id DESC
 LIMIT asked.number) AS listed
 ORDER BY asked.position, listed.created_at DESC, listed.id DESC
"""  # noqa: S608 - the names of our own columns


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedOrganization:
    """An organization with the slugs of its apps, and the states of those that are not settled by app id.

    `is_invited` says that an open invitation leads to it.
    """

    organization: Organization
    app_slugs: list[str]
    app_states: dict[str, str]
    is_invited: bool = False


def list_organizations(
    *, by: Actor, limit: int, before: tuple[datetime, UUID] | None = None
) -> Read[list[ListedOrganization]]:
    """Returns the organizations of which the caller is the owner or a member, newest first, without deleted ones.

    Open invitations of the caller's address count, and are bound. One query, if there are none: front ends ask for
    the list on every page.

    Args: before: the time and id of the organization after which the list continues.
    """
    at, key = before or (None, None)
    listed = _LIST.read(by.user_id, normal_email(by.email), at, key, limit)
    if any(each.is_invited for each in listed.value):
        bind_invitations(by=by)
    return listed


def _make(row: Row) -> ListedOrganization:
    *values, is_invited, slugs, states = row
    columns = dict(zip(_COLUMNS, values, strict=True))
    columns |= {name: json.loads(columns[name]) for name in ("apps", "addons")}
    return ListedOrganization(
        organization=Organization(**columns),
        app_slugs=json.loads(slugs) if slugs else [],
        app_states=json.loads(states) if states else {},
        is_invited=is_invited,
    )


_LIST = SharedRead(_LIST_STATEMENT, lambda rows: [_make(row) for row in rows])
