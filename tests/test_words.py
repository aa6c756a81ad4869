"""Code and prose use plain words: one term for one thing, and no phrase that has to be read twice."""

import ast
import os
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[1]
CHECKED = {".py", ".sql", ".html", ".md", ".txt"}
# Migrations are frozen once released, and this file names the words.
UNCHECKED = {"migrations", "__pycache__", Path(__file__).name}

# Word or phrase → the reason, and what to write instead. Case does not matter, and names in code count too.
BANNED = {
    "company": "Requests that one statement executes are a batch.",
    "whoever": "Name the subject: the customer, the request, the caller.",
    "foresee": "Asking for a result without its effect is a preview.",
    "who waits": "A request in a queue is a waiter; name the subject of a sentence.",
    "nobody is asked": "Say what happens instead, in the active voice.",
    "it is looked at": "Say who checks or reads it, in the active voice.",
    "himself": "A customer has no gender; write themselves, or name the subject.",
    "meanwhile he": "A customer has no gender; say what is done, by name, and when.",
}
# A docstring that starts like this has no subject and no verb of its own.
HEADLESS = re.compile(r"(?:What|Who|Whose|Whether|Which|Where|When|How)\b")
DESIGN_INITIALS = re.compile(r"\b(?:T[123]|I(?:1[0-4]|[1-9]))\b")


def pattern_of(phrase: str) -> re.Pattern[str]:
    """Compile a phrase to a pattern of whole words, which names in code may join by underscores."""
    words = r"[ _\n]+".join(phrase.split())
    return re.compile(rf"(?<![a-z]){words}(?![a-z])", re.IGNORECASE)


@cache
def read_checked_files() -> dict[str, str]:
    """Return path → text of the project's own files; those of tools are in folders that start with a dot."""
    found = {}
    for folder, folders, names in os.walk(PROJECT):
        folders[:] = [name for name in folders if not name.startswith(".") and name not in UNCHECKED]
        for path in (Path(folder, name) for name in names):
            relative = path.relative_to(PROJECT).as_posix()
            if path.suffix in CHECKED and path.name not in UNCHECKED:
                found[relative] = path.read_text(encoding="utf-8")
    return found


def find_lines(pattern: re.Pattern[str]) -> list[str]:
    """Return the lines that contain the pattern, as `path:line`."""
    return [
        f"{path}:{text.count(chr(10), 0, match.start()) + 1}"
        for path, text in sorted(read_checked_files().items())
        for match in pattern.finditer(text)
    ]


@pytest.mark.parametrize("phrase", BANNED)
def test_no_file_contains_a_banned_phrase(phrase: str) -> None:
    assert find_lines(pattern_of(phrase)) == [], BANNED[phrase]


def test_no_file_uses_the_initials_of_a_design() -> None:
    assert find_lines(DESIGN_INITIALS) == [], "Write what the rule or the transaction is."


def docstrings(source: str) -> Iterator[tuple[int, str]]:
    """Yield the line and the text of each docstring."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and node.body:
            if text := ast.get_docstring(node):
                yield node.body[0].lineno, text


def test_no_docstring_starts_with_a_headless_clause() -> None:
    headless = [
        f"{path}:{line}"
        for path, source in sorted(read_checked_files().items())
        if path.endswith(".py")
        for line, text in docstrings(source)
        if HEADLESS.match(text)
    ]
    assert headless == [], "Name the thing, or say what the function does: Returns whether, Counts, Reads."


def test_a_headless_docstring_is_found_in_modules_classes_and_functions() -> None:
    source = (
        '"""How it works."""\nclass Log:\n    """What it keeps."""\n    def full(self):\n        """Whether it is."""'
    )
    assert [line for line, text in docstrings(source) if HEADLESS.match(text)] == [1, 3, 5]
    assert not HEADLESS.match("Whatever it keeps")


def test_a_banned_phrase_is_found_in_prose_names_and_across_lines() -> None:
    found = [
        text for text in ("Who waits", "who\nwaits", "test_who_waits_leaves") if pattern_of("who waits").search(text)
    ]
    assert len(found) == 3
    assert not pattern_of("company").search("accompanying companyless")
    assert len(read_checked_files()) > 300
