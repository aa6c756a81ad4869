"""Collect the words of the console: titles, labels, hints, states and sentences that its code writes.

The console translates a word where it shows it, so the code of its pages holds plain text. Every text of that code
that begins with a capital letter or holds a blank counts as a word, unless it is listed here as something else.
"""

import ast
import re
from collections.abc import Iterator
from importlib import import_module
from typing import Any

from django.contrib import admin

from billing.actor import ANONYMOUS, CUSTOMER, MACHINE_ROLES, STAFF_ROLES, SYSTEM
from tests.refusal_sentences import FOLDERS, PROJECT

# Names of headers, methods and types, and errors that no member of staff sees.
NO_WORDS = {
    "an act was neither carried out nor proposed",
    "a console page was requested without a signed-in user",
    "API",
    "Cache-Control",
    "Content-Disposition",
    "ConsoleAdmin",
    "GET",
    "HEAD",
    "POST",
    "REMOTE_ADDR",
    "RecordAdmin",
    'inline; filename="explanation.pdf"',
    "private, no-store",
    "text/csv; charset=utf-8",
    "text/plain; charset=utf-8",
}
# Names by which the code holds words of one small word: `noun = "customer"`, `badge("sound")`.
SMALL_WORD_NAMES = ("noun", "nouns", "title", "description", "folded_title")
SMALL_WORD_CALLS = ("badge", "state_badge", "say", "say_lazily", "gettext", "rush_field", "one_of")
# Words of the theme that Django does not translate.
THEME_WORDS = (
    "Select action",
    "Select action to run",
    "Select record",
    "Apply Filters",
    "Choose file to upload",
    "Dark",
    "Expand row",
    "False",
    "General",
    "Go back",
    "Light",
    "Loading more results...",
    "More actions",
    "Next",
    "No data",
    "No recent searches",
    "No results found",
    "No results matching your query",
    "Previous",
    "Recent searches",
    "Reset filters",
    "Return to site",
    "Run",
    "Search apps and models...",
    "Select all rows",
    "Submit",
    "System",
    "Toggle password visibility",
    "True",
    "Type to search",
    "You have been successfully logged out from the administration",
)
# What the facts of a closed month and the forms name by the keys of their values.
NAMES_OF_VALUES = (
    "Adjusted",
    "Closing",
    "Dispute won",
    "Granted compensation",
    "Granted promotional",
    "Granted sold",
    "Granted unused month",
    "Opening",
    "Payout returned",
    "Percent",
    "Platform user id",
    "Reversed",
    "Taken back",
    "Transferred",
    "Written off",
)
ROLES = (*STAFF_ROLES, *MACHINE_ROLES, CUSTOMER, SYSTEM, ANONYMOUS)
_LETTERS = re.compile(r"[A-Za-z]{2}")


def console_words() -> Iterator[tuple[str, str]]:
    """Yield each word with the place that writes it."""
    paths = [path for folder in FOLDERS for path in sorted((PROJECT / folder / "admin").rglob("*.py"))]
    for path in (*paths, PROJECT / "billing" / "stored_words.py"):
        place = str(path.relative_to(PROJECT))
        for text in _words_of(ast.parse(path.read_text())):
            yield place, text
    yield from _words_of_models()
    yield from (("templates/unfold", text) for text in THEME_WORDS)
    yield from (("billing/actor.py", role) for role in ROLES)
    audit = import_module("billing.admin.audit")
    for kind in audit.OBJECT_TYPES:
        yield "billing/admin/audit.py", audit.name_type(kind)
    yield from (("orders/admin/books/months.py", text) for text in NAMES_OF_VALUES)
    yield from (("billing/admin/audit_words.py", text) for text in import_module("billing.admin.audit_words").FIELDS)


def _words_of(tree: ast.AST) -> Iterator[str]:
    skipped = {id(node) for node in _no_words(tree)}
    for node in ast.walk(tree):
        for small in _small_words(node):
            if _LETTERS.search(small):
                yield small
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in skipped:
            text = node.value
            if _LETTERS.search(text) and (" " in text.strip() or text[0].isupper()) and not _is_no_word(text):
                yield text


def _is_no_word(text: str) -> bool:
    return text in NO_WORDS or "<" in text or text != text.strip()


def _no_words(tree: ast.AST) -> Iterator[ast.AST]:
    """Yield the documentation and the parts of formatted texts."""
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield from node.values
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            yield node.value
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("cast", "ngettext"):
            yield from node.args


def _small_words(node: ast.AST) -> Iterator[str]:
    values: list[Any] = []
    if isinstance(node, ast.Assign):
        for target in node.targets:
            if isinstance(target, ast.Name) and target.id in SMALL_WORD_NAMES:
                values.append(node.value)
            elif isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
                pairs = zip(target.elts, node.value.elts, strict=False)
                values += [value for name, value in pairs if ast.unparse(name) in SMALL_WORD_NAMES]
    elif isinstance(node, ast.keyword) and node.arg in SMALL_WORD_NAMES:
        values.append(node.value)
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in SMALL_WORD_CALLS:
        values += [each for part in node.args[:1] for each in _alternatives(part)]
    for value in values:
        if isinstance(value, ast.Constant) and isinstance(value.value, str):
            yield value.value.rpartition("__")[2].replace("_", " ")


def _alternatives(node: ast.AST) -> tuple[ast.AST, ...]:
    return (node.body, node.orelse) if isinstance(node, ast.IfExp) else (node,)


def _words_of_models() -> Iterator[tuple[str, str]]:
    """Yield the names of the console's models, of the fields that it shows, and their states."""
    for model, page in sorted(admin.site._registry.items(), key=lambda each: each[0]._meta.label):
        place = f"{page.__module__.replace('.', '/')}.py"
        fields = {field.name: field for field in model._meta.fields}
        texts = [page.singular, page.plural]  # type: ignore[attr-defined]
        filtered = (each[0] if isinstance(each, tuple) else each for each in page.list_filter)
        shown = (*page.list_display, *page.readonly_fields, *filtered)
        texts += [fields[name].verbose_name for name in shown if isinstance(name, str) and name in fields]
        for name in (
            ("name", "slug", "active", *getattr(page, "own_fields", ())) if hasattr(page, "own_fields") else ()
        ):
            texts += [fields[name].verbose_name, fields[name].help_text] if name in fields else []
            texts += [fields[f"{name}_ar"].verbose_name] if f"{name}_ar" in fields else []
        for field in fields.values():
            if model._meta.app_label != "djstripe":
                for value, label in field.flatchoices or ():
                    texts += [label, "" if "." in str(value) else str(value).replace("_", " ")]
        for text in texts:
            if _LETTERS.search(str(text)):
                yield place, str(text)
