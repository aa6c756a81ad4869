"""All sentences of refusals stand in one list, error_sentences.txt, for a review by somebody who did not write them.

After a change, `.venv/bin/python -m tests.test_error_sentences` writes the list again.
"""

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages
from typing import Any

import django
from django import forms
from rest_framework import serializers

from tests.refusal_sentences import templates

LIST = Path(__file__).with_name("error_sentences.txt")
APPS = ("billing", "promos", "orders")


FORMS, FIELDS = "form or field", "field of a request"
# The messages of fields that an input of ours can cause. Each field class has others too.
FIELD_MESSAGES = ("required", "null", "blank", "max_length", "min_length", "max_value", "min_value", "invalid_choice")


def subclasses(refusal: type[Any]) -> Iterator[type[Any]]:
    for each in refusal.__subclasses__():
        yield each
        yield from subclasses(each)


def import_all() -> None:
    """Import every module, so that all classes of refusals exist."""
    for app in APPS:
        for module in walk_packages(import_module(app).__path__, f"{app}."):
            if ".migrations" not in module.name:
                import_module(module.name)


def sentences() -> list[str]:
    """Return `code: sentence` of every class of refusal, of the API's own answers and of the middleware's."""
    import_all()
    refusals = subclasses(import_module("billing.errors").DomainError)
    found = {f"{each.code}: {_text(each)}" for each in refusals if each.__module__.startswith(APPS)}
    for name in ("billing.api.exceptions", "config.web.middleware"):
        answers = import_module(name)._SENTENCES
        pairs = answers.items() if name.startswith("billing") else answers.values()
        found |= {f"{code}: {text}" for code, text in pairs}
    found |= {f"{FORMS}: {text}" for text in (*templates(), *_field_messages(forms.BaseForm))}
    found |= {f"{FIELDS}: {text}" for text in _field_messages(serializers.Serializer)}
    return sorted(found)


def _field_messages(base: Any) -> Iterator[str]:
    """Yield the messages of the fields of all forms, or of all serializers, those of the framework among them."""
    for each in subclasses(base):
        if each.__module__.startswith(APPS):
            fields = getattr(each, "base_fields", None) or getattr(each, "_declared_fields", {})
            for field in fields.values():
                messages = getattr(field, "error_messages", {})
                yield from (str(messages[name]) for name in FIELD_MESSAGES if name in messages)


def _text(refusal: Any) -> str:
    why = getattr(refusal, "why", "")
    return f"invalid promo code: {why}" if why else str(refusal.message)


def test_the_list_names_every_sentence() -> None:
    assert LIST.read_text().splitlines() == sentences()


def test_sentences_follow_one_form() -> None:
    for line in sentences():
        code, _, text = line.partition(": ")
        if code == FIELDS:
            # The name of the field stands before it: DRF's own sentences do not fit there.
            assert text.startswith(("is ", "must ", '"{input}" is ')) and not text.endswith("."), line
            continue
        if code == FORMS:
            # A page's sentence ends with a full stop; a field's message is a part of one.
            assert text == text.strip(), line
            continue
        assert text == text.strip().rstrip("."), line
        assert text[0].islower() or text.startswith("Idempotency-Key"), line


if __name__ == "__main__":
    django.setup()
    LIST.write_text("\n".join(sentences()) + "\n")
