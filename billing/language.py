"""The language of texts: the one that is active, and the one that the request in progress asks for."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

from django.utils import translation

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
