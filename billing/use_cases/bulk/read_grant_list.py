"""Reads the customers and amounts of a bulk grant from a CSV file, and names each bad row by its line."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from django.db import connection

from billing.actor import is_user_id
from billing.errors import InvalidFile
from billing.language import say
from billing.use_cases.bulk.cells import Problem, decimal_mark, read_amount
from billing.use_cases.bulk.csv_rows import BadRow, Table, describe_shortened, is_shortened, read_table

_USER_TITLES = {"user_id", "user id", "customer_id", "customer id", "customer", "user", "sub"}
_EMAIL_TITLES = {"email", "e-mail", "mail", "email address", "e-mail address"}
_AMOUNT_TITLES = {"amount", "credit", "value"}

# One array, because a list has more customers than a statement can have parameters.
_CUSTOMERS = """
SELECT upper(email), user_id FROM billing_customer WHERE upper(email) = ANY (%s::text[]) AND merged_into_id IS NULL
"""


class GrantRow(NamedTuple):
    """A customer of a bulk grant, by user id, and the amount in the smallest unit."""

    line: int
    user_id: str
    amount_minor: int


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantList:
    """The rows of a file, in the file's order, and its bad rows."""

    rows: list[GrantRow]
    bad_rows: list[BadRow]


def read_grant_list(content: bytes, *, amount_minor: int | None = None) -> GrantList:
    """Reads a file with a customer in each row, by user id or e-mail address, and an amount.

    Without titles, the first column is the customer and the second one the amount.

    Args: amount_minor: the amount of rows that have none, smallest unit.
    Raises: InvalidFile where it is no such file at all.
    """
    table = read_table(content, titles=_USER_TITLES | _EMAIL_TITLES | _AMOUNT_TITLES)
    user, email, amount = _find_columns(table)
    mark = decimal_mark(table, amount)
    named = {row.line: row.cell(email) for row in table.rows if row.cell(email) and not row.cell(user)}
    named |= {row.line: row.cell(user) for row in table.rows if not table.titles and "@" in row.cell(user)}
    users = _users_of(named.values())
    rows, bad_rows = [], list(table.bad_rows)
    for row in table.rows:
        who = _read_user(row.cell(user), named.get(row.line), users)
        minor = read_amount(row.cell(amount), mark, amount_minor)
        problems = [say(each.why) for each in (who, minor) if isinstance(each, Problem)]
        if isinstance(who, str) and isinstance(minor, int):
            rows.append(GrantRow(row.line, who, minor))
        else:
            bad_rows.append(BadRow(row.line, "; ".join(problems)))
    bad_rows += _find_repeated(rows)
    return GrantList(rows=rows, bad_rows=sorted(bad_rows, key=lambda row: row.line))


def _find_columns(table: Table) -> tuple[int | None, int | None, int | None]:
    """Returns the columns of the user id, the e-mail address and the amount. Raises: InvalidFile."""
    if not table.rows and not table.bad_rows:
        raise InvalidFile(fields={"file": ["the file has no customer"]})
    if not table.titles:
        if any(len(row.cells) > len(("customer", "amount")) for row in table.rows):
            raise InvalidFile(fields={"file": ["more than two columns: name them user_id or email, and amount"]})
        return 0, None, 1
    user, email = table.column(_USER_TITLES), table.column(_EMAIL_TITLES)
    if user is None and email is None:
        raise InvalidFile(fields={"file": ["no column is called user_id or email"]})
    return user, email, table.column(_AMOUNT_TITLES)


def _read_user(text: str, address: str | None, users: dict[str, list[str]]) -> str | Problem:
    if address is not None:
        found = users.get(address.upper(), [])
        if len(found) == 1:
            return found[0]
        named = {"address": repr(address[:80]), "number": len(found)}
        if found:
            return Problem(say("%(number)s customers have the e-mail address %(address)s", **named))
        return Problem(say("no customers have the e-mail address %(address)s", address=named["address"]))
    if not text:
        return Problem("the customer is missing")
    if is_shortened(text):
        return Problem(describe_shortened(text))
    return text if is_user_id(text) else Problem(say("%(text)s is not a user id", text=repr(text[:80])))


def _users_of(addresses: Iterable[str]) -> dict[str, list[str]]:
    """Returns the user ids of customers by their e-mail address, in upper case. One query."""
    wanted = list({address.upper() for address in addresses})
    found: dict[str, list[str]] = {}
    if wanted:
        with connection.cursor() as cursor:
            cursor.execute(_CUSTOMERS, [wanted])
            for address, user_id in cursor.fetchall():
                found.setdefault(address, []).append(user_id)
    return found


def _find_repeated(rows: list[GrantRow]) -> Iterator[BadRow]:
    """Yields the rows that name a customer of an earlier row again."""
    first: dict[str, int] = {}
    for row in rows:
        if (earlier := first.setdefault(row.user_id, row.line)) != row.line:
            yield BadRow(row.line, say("names the customer of line %(line)s again", line=earlier))
