"""The language of texts: the one that is active, and the one that the request in progress asks for.

It also holds the words that the console and the mails to staff share.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

from django.utils import translation
from django.utils.functional import lazy
from django.utils.translation import get_language_bidi, gettext

_requested: ContextVar[str] = ContextVar("requested_language", default="")


Text = TypeVar("Text", str, list[str])


def in_language(english: Text, arabic: Text) -> Text:
    """Returns the text in the active language; the English one where there is no Arabic."""
    return arabic if arabic and translation.get_language() == "ar" else english


@contextmanager
def answer_in(language: str) -> Iterator[None]:
    """Activates the language, which the client has asked for."""
    token = _requested.set(language)
    try:
        with translation.override(language):
            yield
    finally:
        _requested.reset(token)


def requested_language() -> str:
    """Returns the language that the client asks for; empty for a client that asks for none, and outside a request."""
    return _requested.get()


def say(sentence: str, **values: object) -> str:
    """Returns a sentence in the reader's language with these values in it."""
    isolated = {name: isolate(value) for name, value in values.items()}
    return gettext(sentence) % isolated if values else gettext(sentence)


def say_known(text: str) -> str:
    """Returns a stored text in the reader's language where it is one of our sentences, else as it is."""
    return gettext(text) if text else ""


def name_role(role: str) -> str:
    """Returns the name of a role in the reader's language. In English it is the name that a token has."""
    return gettext(role)


def name_person(name: str, role: str) -> str:
    """Returns a person with their role: `noor@example.org (sovereign-admin)`."""
    return f"{name} ({name_role(role)})"


def isolate(value: object) -> object:
    """Keeps a code, an amount or an address as it is read in a sentence from right to left.

    The two signs show nothing: they begin and end a text that has a direction of its own.
    """
    return f"\u2068{value}\u2069" if get_language_bidi() and value != "" else value


# A sentence for a text that is made before anybody reads it, such as the label of a form.
say_lazily = lazy(say, str)
