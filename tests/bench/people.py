"""Customers, accounts and organizations in numbers, made by the database in a few statements."""

from uuid import UUID

from tests.bench.cluster import Connection

_PEOPLE = """
INSERT INTO billing_customer (user_id, email)
SELECT 'c-' || n, 'c-' || n || '@example.org' FROM generate_series(%(first)s::bigint, %(last)s::bigint) AS n;
"""
_ACCOUNTS = """
INSERT INTO billing_account (customer_id, currency)
SELECT id, 'OMR' FROM billing_customer c WHERE NOT EXISTS (SELECT FROM billing_account WHERE customer_id = c.id);
"""
_TENANTS = """
INSERT INTO billing_organization (customer_id, slug, name, apps, addons)
SELECT id, 't-' || id, 'Tenant ' || id, '[]', '[]' FROM billing_customer c
 WHERE NOT EXISTS (SELECT FROM billing_organization WHERE customer_id = c.id)
"""


def user_id(number: int) -> str:
    """The platform's user id of a customer, counted from 0."""
    return f"c-{number}"


def make_customers(connection: Connection, *, first: int = 0, number: int) -> None:
    """Customers with empty accounts. Raises: psycopg errors where the numbers are taken."""
    connection.execute(_PEOPLE.encode(), {"first": first, "last": first + number - 1})
    connection.execute(_ACCOUNTS.encode())
    connection.execute(b"ANALYZE billing_customer, billing_account")


def make_tenants(connection: Connection) -> dict[str, UUID]:
    """An organization for each customer that has none; every customer's, by user id."""
    connection.execute(_TENANTS.encode())
    connection.execute(b"ANALYZE billing_organization")
    rows = connection.execute(
        b"SELECT c.user_id, o.id FROM billing_customer c JOIN billing_organization o ON o.customer_id = c.id"
    )
    return {str(name): UUID(str(tenant)) for name, tenant in rows}


_SPARES = """
INSERT INTO billing_organization (customer_id, slug, name, apps, addons)
SELECT c.id, 's-' || n, 'Spare ' || n, '[]', '[]'
  FROM generate_series(0, %(number)s::bigint - 1) AS n
  JOIN billing_customer c ON c.user_id = 'c-' || n * %(stride)s::bigint
RETURNING slug, id
"""


def make_spares(connection: Connection, *, number: int, stride: int) -> tuple[str, ...]:
    """An organization that bought nothing for every so many-th customer; their ids, in the order of the customers."""
    rows = connection.execute(_SPARES.encode(), {"number": number, "stride": stride}).fetchall()
    connection.execute(b"ANALYZE billing_organization")
    tenants = {int(str(slug)[2:]): str(tenant) for slug, tenant in rows}
    return tuple(tenants[place] for place in range(number))
