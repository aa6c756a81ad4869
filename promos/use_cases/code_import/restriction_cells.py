"""Reads the restrictions of a voucher from the cells of its row."""

import json
import re
from collections.abc import Mapping
from typing import Any

from billing.language import say
from billing.use_cases.bulk.cells import Problem, decimal_mark, read_amount
from billing.use_cases.bulk.csv_rows import Row, Table
from promos.errors import InvalidRestrictions
from promos.models.restrictions import USE_LIMITS, Restrictions
from promos.use_cases.restrictions.complete_restrictions import complete_restrictions

# Title of a column → the rule; a cell of a list separates its items by spaces, commas or semicolons.
_LISTS = ("plans", "addons", "email_domains", "customers")
_COLUMNS: Mapping[str, str] = {
    "only": "only",
    "minimum_order": "minimum_order_minor",
    "first_order_only": "first_order_only",
    **{name: name for name in (*_LISTS, *USE_LIMITS)},
}
TITLES = frozenset(_COLUMNS)
_SEPARATORS = re.compile(r"[\s,;|]+")
_WHOLE = re.compile(r"[0-9]{1,9}")
_FLAGS = {"": False, "no": False, "false": False, "0": False, "yes": True, "true": True, "1": True}


class RestrictionCells:
    """The columns of a file that hold restrictions."""

    def __init__(self, table: Table) -> None:
        columns = {title: table.column({title}) for title in _COLUMNS}
        self._columns = {title: at for title, at in columns.items() if at is not None}
        self._mark = decimal_mark(table, self._columns.get("minimum_order"))
        # Rows with the same rules look their plans and add-ons up once.
        self._known: dict[str, Restrictions | Problem | None] = {}

    def read(self, row: Row) -> dict[str, Restrictions | Problem | None]:
        """Returns the restrictions of a row by the name of the term, or why they are none.

        Nothing where the file has no such column: the row then says nothing about restrictions.
        """
        if not self._columns:
            return {}
        rules = {_COLUMNS[title]: self._read(title, row.cell(at)) for title, at in self._columns.items()}
        problems = [say(value.why) for value in rules.values() if isinstance(value, Problem)]
        return {"restrictions": Problem("; ".join(problems)) if problems else self._complete(rules)}

    def _complete(self, rules: Mapping[str, Any]) -> Restrictions | Problem | None:
        key = json.dumps(rules)
        if key not in self._known:
            self._known[key] = _complete(rules)
        return self._known[key]

    def _read(self, title: str, text: str) -> Any:
        if title in _LISTS:
            return [each for each in _SEPARATORS.split(text) if each]
        if title == "minimum_order":
            return read_amount(text, self._mark, default=0)
        if title == "only":
            return text.lower()
        if title == "first_order_only":
            return _FLAGS.get(
                text.lower(),
                Problem(say("%(text)s is neither yes nor no: %(title)s", text=repr(text[:40]), title=title)),
            )
        if text and not _WHOLE.fullmatch(text):
            return Problem(say("%(text)s is not a number of uses: %(title)s", text=repr(text[:40]), title=title))
        return int(text or 0)


def _complete(rules: Mapping[str, Any]) -> Restrictions | Problem | None:
    try:
        return complete_restrictions(rules)
    except InvalidRestrictions as error:
        fields = error.fields or {}
        return Problem("; ".join(f"{name.rpartition('.')[2]}: {text}" for name in fields for text in fields[name]))
