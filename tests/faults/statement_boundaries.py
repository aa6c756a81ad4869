"""Finds the boundaries between the statements of a PL/pgSQL function, and injects a failure at one of them.

A boundary is at the start of each block and after each statement. There is none after a statement that leaves the
function or block (RETURN, RAISE, the end of a LOOP that only RETURN ends), because nothing runs after it. RETURN NEXT
and RETURN QUERY do not leave the function.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

SQLSTATE = "XX000"

_FUNCTION = re.compile(
    r"^CREATE OR REPLACE FUNCTION (?P<name>\w+)\s*\((?:(?!\nCREATE ).)*?LANGUAGE plpgsql(?: SET \w+ = \w+)* AS \$\$"
    r"(?P<body>.*?)\$\$;",
    re.DOTALL | re.MULTILINE,
)
# Comments, strings and words are single tokens, so that a semicolon or keyword inside one does not count.
_TOKEN = re.compile(r"--[^\n]*|'(?:[^']|'')*'|\w+|\S")
_BLOCK_STARTS = {"begin", "then", "else", "loop"}
_LEAVING = {"return", "raise"}
_STAYING = {"next", "query"}
_NAMED_BY_WORDS = 5


@dataclass(frozen=True, slots=True)
class Boundary:
    """A boundary in a function; `position` is its character offset in the definition."""

    function: str
    number: int
    name: str
    position: int

    @property
    def failure(self) -> str:
        """The message of a failure at this boundary."""
        return f"injected at {self}"

    def __str__(self) -> str:
        return f"{self.function}-{self.number:02}-{self.name}"


@dataclass(frozen=True, slots=True)
class Function:
    """A function as its .sql file defines it; `statements` is the number of its statements without blocks."""

    name: str
    definition: str
    statements: int
    boundaries: tuple[Boundary, ...]

    def failing_at(self, boundary: Boundary) -> str:
        """Return the function's definition with a failure at the boundary."""
        failure = f"RAISE EXCEPTION SQLSTATE '{SQLSTATE}' USING MESSAGE = '{boundary.failure}';"
        return self._with({boundary: failure})

    def failing_once_at(self, boundary: Boundary, *, sequence: str) -> str:
        """The function's definition with a failure the first time that it comes to the boundary.

        The sequence counts, because no roll-back takes its numbers back.
        """
        failure = f"RAISE EXCEPTION SQLSTATE '{SQLSTATE}' USING MESSAGE = '{boundary.failure}';"
        return self._with({boundary: f"IF nextval('{sequence}') = 1 THEN {failure} END IF;"})

    def with_notices(self) -> str:
        """Return the function's definition with a notice at every boundary that names it."""
        return self._with({each: f"RAISE NOTICE '{each}';" for each in self.boundaries})

    def _with(self, statements: dict[Boundary, str]) -> str:
        text = self.definition
        for boundary in sorted(statements, key=lambda each: each.position, reverse=True):
            text = f"{text[: boundary.position]} {statements[boundary]}{text[boundary.position :]}"
        return text


def parse_functions(path: Path) -> Iterator[Function]:
    """Parse the PL/pgSQL functions of a .sql file."""
    for match in _FUNCTION.finditer(path.read_text(encoding="utf-8")):
        yield _function(match["name"], match[0], body_at=match.start("body") - match.start())


def _function(name: str, definition: str, *, body_at: int) -> Function:
    boundaries: list[Boundary] = []
    statements = 0
    for label, position, is_statement, leaves in _ends(definition, body_at):
        statements += is_statement
        if not leaves:
            boundaries.append(Boundary(name, len(boundaries) + 1, label, position))
    return Function(name, definition, statements, tuple(boundaries))


def _ends(definition: str, body_at: int) -> Iterator[tuple[str, int, bool, bool]]:
    """Yield, for each end of a statement or block start: name, position, is it a statement, does it leave."""
    words: list[str] = []
    open_cases = 0  # the THEN, ELSE and END of a CASE start or end no block
    declared = False
    endless: list[bool] = []  # for each enclosing loop
    for token in _TOKEN.finditer(definition, body_at, definition.rindex("$$")):
        word = token[0].lower()
        declared = declared or word == "begin"
        if word.startswith("--") or not declared:
            continue
        if word == ";":
            leaves = words[0] in _LEAVING and _STAYING.isdisjoint(words[1:2])
            if words[:2] == ["end", "loop"]:
                leaves = endless.pop()
            yield _named("after", words), token.end(), words[0] != "end", leaves
            words = []
        elif word in _BLOCK_STARTS and words != ["end"] and not open_cases:
            if word == "loop":
                endless.append(not words)
            yield _named("in", [*words, word]), token.end(), False, False
            words = []
        else:
            open_cases += (word == "case") - (word == "end" and open_cases > 0)
            words.append(word)


def _named(where: str, words: list[str]) -> str:
    named = [word for word in words if re.fullmatch(r"\w+", word)][:_NAMED_BY_WORDS]
    return "-".join([where, *named])
