"""Collect the sentences to translate.

`.venv/bin/python -m tests.translations` brings the Arabic catalog up to date: it adds new sentences without a
translation, and removes those that no code writes any more.
"""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import django
import polib
from django.template import engines
from django.template.base import Node
from django.templatetags.i18n import BlockTranslateNode, TranslateNode
from django.utils.translation import trim_whitespace

from tests.console_words import console_words
from tests.refusal_sentences import FOLDERS, PROJECT, UNREAD, placed_templates
from tests.test_error_sentences import import_all, subclasses

CATALOG = PROJECT / "locale" / "ar" / "LC_MESSAGES" / "django.po"
SINGULAR = ("_", "gettext", "gettext_lazy", "gettext_noop", "say", "say_lazily")
WITH_CONTEXT = "pgettext"
_PLACEHOLDER = re.compile(r"\{\w|%\(")
PLURAL = ("ngettext", "ngettext_lazy", "ngettext_noop")


@dataclass(frozen=True, slots=True, order=True)
class Message:
    """A sentence in English; one that depends on a number has a plural too."""

    text: str
    plural: str = ""
    context: str = ""


def messages() -> dict[Message, str]:
    """Return each sentence with the file that writes it first."""
    found: dict[Message, str] = {}
    for place, message in (*_of_templates(), *_of_code(), *_of_refusals()):
        found.setdefault(message, place)
    for place, text in console_words():
        found.setdefault(Message(text), place)
    return found


def template_names() -> list[str]:
    """Return the templates of pages and mails."""
    folder = PROJECT / "templates"
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*.*"))


def load_nodes(name: str) -> Any:
    return engines["django"].get_template(name).template.nodelist  # type: ignore[attr-defined]


def _of_templates() -> Iterator[tuple[str, Message]]:
    for name in template_names():
        nodes = load_nodes(name)
        for node in nodes.get_nodes_by_type((TranslateNode, BlockTranslateNode)):
            if not _is_variable(node):
                yield f"templates/{name}", _message_of(node)


def _is_variable(node: Node) -> bool:
    """Tell whether the node translates a word that code writes."""
    return (
        isinstance(node, TranslateNode)
        and not isinstance(node.filter_expression.var, str)
        and (node.filter_expression.var.literal is None)
    )


def _message_of(node: Node) -> Message:
    if isinstance(node, BlockTranslateNode):
        text, _names = node.render_token_list(node.singular)
        plural = node.render_token_list(node.plural)[0] if node.plural else ""
        if node.trimmed:
            text, plural = trim_whitespace(text), trim_whitespace(plural)
        return Message(text, plural)
    return Message(str(node.filter_expression.var.literal))  # type: ignore[attr-defined]


def _of_code() -> Iterator[tuple[str, Message]]:
    for folder in FOLDERS:
        for path in sorted((PROJECT / folder).rglob("*.py")):
            if not any(part in UNREAD for part in path.parts):
                place = str(path.relative_to(PROJECT))
                for message in _of_calls(ast.parse(path.read_text())):
                    yield place, message


def _of_calls(tree: ast.AST) -> Iterator[Message]:
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
            continue
        texts = [each.value for each in node.args[:2] if isinstance(each, ast.Constant)]
        if node.func.id in SINGULAR and texts:
            yield Message(str(texts[0]))
        elif node.func.id == WITH_CONTEXT and len(texts) > 1:
            yield Message(str(texts[1]), context=str(texts[0]))
        elif node.func.id in PLURAL and len(texts) > 1:
            yield Message(str(texts[0]), str(texts[1]))


def _of_refusals() -> Iterator[tuple[str, Message]]:
    """Yield the sentences of the classes of refusals, and those that the API answers itself."""
    import_all()
    for refusal in subclasses(import_module("billing.errors").DomainError):
        if refusal.__module__.startswith(FOLDERS):
            place = f"{refusal.__module__.replace('.', '/')}.py"
            yield place, Message(str(getattr(refusal, "why", "") or refusal.message))
    for name in ("billing.api.exceptions", "config.web.middleware"):
        module: Any = import_module(name)
        pairs = module._SENTENCES.items() if name.startswith("billing") else module._SENTENCES.values()
        for _code, text in pairs:
            yield f"{name.replace('.', '/')}.py", Message(text)
    for place, text in placed_templates():
        # Where the code puts in values, it translates the sentence itself. Operators read English.
        if not _PLACEHOLDER.search(text) and not place.startswith("config/") and "/management/" not in place:
            yield place, Message(text)


def update_catalog(path: Path = CATALOG) -> None:
    """Write the catalog with every sentence, in the order of the files that write them."""
    catalog = polib.pofile(str(path), wrapwidth=110)
    known = {(entry.msgid, entry.msgid_plural, entry.msgctxt or ""): entry for entry in catalog}
    del catalog[:]
    for message, place in sorted(messages().items(), key=lambda item: (item[1], item[0])):
        entry = known.get((message.text, message.plural, message.context)) or polib.POEntry(
            msgid=message.text, msgid_plural=message.plural, msgctxt=message.context or None
        )
        if message.plural and not entry.msgstr_plural:
            entry.msgstr_plural = dict.fromkeys(range(6), "")
        # Without line numbers, so that a change elsewhere in a file changes nothing here.
        entry.occurrences = [(place, "")]
        catalog.append(entry)
    catalog.save()


if __name__ == "__main__":
    django.setup()
    update_catalog()
