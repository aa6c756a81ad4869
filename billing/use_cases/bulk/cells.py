"""Reads amounts from the cells of a CSV file, or says why a cell is none."""

import re
from typing import NamedTuple

from django.conf import settings

from billing.language import say
from billing.money import AmountError, to_minor
from billing.use_cases.bulk.csv_rows import Table, describe_shortened, is_shortened

# A negative amount is refused for its sign, not for its form.
_AMOUNT = re.compile(r"-?[0-9]{1,12}([.,][0-9]+)?")


class Problem(NamedTuple):
    """The reason why a cell cannot be used."""

    why: str


def decimal_mark(table: Table, amount: int | None) -> str:
    """Returns the decimal mark of the file: a comma only with semicolons or tabs between cells, and no point."""
    texts = [row.cell(amount) for row in table.rows]
    has_comma, has_point = (any(mark in text for text in texts) for mark in ",.")
    return "," if has_comma and not has_point and table.delimiter != "," else "."


def read_amount(text: str, mark: str, default: int | None = None) -> int | Problem:
    """Returns the amount of a cell in the smallest unit. Args: default: that of an empty cell."""
    currency = settings.SOVEREIGN_CURRENCY
    text = text.removesuffix(currency).removeprefix(currency).strip()
    if not text:
        return Problem("the amount is missing") if default is None else default
    if is_shortened(text):
        return Problem(describe_shortened(text))
    found = _AMOUNT.fullmatch(text)
    if found is None or (found[1] and found[1][0] != mark):
        return Problem(
            say("%(text)s is not an amount: write figures, with a point for decimals", text=repr(text[:40]))
        )
    try:
        minor = to_minor(text.replace(",", "."), currency=currency)
    except AmountError as error:
        return Problem(str(error))
    return minor if minor > 0 else Problem("the amount must be positive")
