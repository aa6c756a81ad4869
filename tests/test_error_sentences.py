"""All sentences of refusals stand in one list, error_sentences.txt, for a review by somebody who did not write them.

After a change, `.venv/bin/python -m tests.test_error_sentences` writes the list again.
"""

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages
from typing import Any

import django

LIST = Path(__file__).with_name("error_sentences.txt")
APPS = ("billing", "promos", "orders")


def subclasses(refusal: type[Any]) -> Iterator[type[Any]]:
    for each in refusal.__subclasses__():
        yield each
        yield from subclasses(each)


def sentences() -> list[str]:
    """Return `code: sentence` of every class of refusal, of the API's own answers and of the middleware's."""
    for app in APPS:
        for module in walk_packages(import_module(app).__path__, f"{app}."):
            if ".migrations" not in module.name:
                import_module(module.name)
    refusals = subclasses(import_module("billing.errors").DomainError)
    found = {f"{each.code}: {_text(each)}" for each in refusals if each.__module__.startswith(APPS)}
    for name in ("billing.api.exceptions", "config.web.middleware"):
        answers = import_module(name)._SENTENCES
        pairs = answers.items() if name.startswith("billing") else answers.values()
        found |= {f"{code}: {text}" for code, text in pairs}
    return sorted(found)


def _text(refusal: Any) -> str:
    why = getattr(refusal, "why", "")
    return f"invalid promo code: {why}" if why else str(refusal.message)


def test_the_list_names_every_sentence() -> None:
    assert LIST.read_text().splitlines() == sentences()


def test_sentences_follow_one_form() -> None:
    for line in sentences():
        text = line.partition(": ")[2]
        assert text == text.strip().rstrip("."), line
        assert text[0].islower() or text.startswith("Idempotency-Key"), line


if __name__ == "__main__":
    django.setup()
    LIST.write_text("\n".join(sentences()) + "\n")
