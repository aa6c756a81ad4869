"""Text that people read and write: whether it has anything to see, e-mail addresses in one form, and sentences."""

import unicodedata

from django.utils.encoding import punycode
from django.utils.text import capfirst

# Letters, figures, punctuation and symbols. Spaces, controls, marks and format characters show nothing by themselves.
_VISIBLE = ("L", "N", "P", "S")
# Characters of those kinds that show nothing: the fillers of Hangul and the blank of Braille.
_BLANK = frozenset("\u115f\u1160\u2800\u3164\uffa0")

MAX_EMAIL_LENGTH = 254


def has_visible_text(text: str) -> bool:
    """Returns whether people can see at least one character of the text."""
    return any(unicodedata.category(each).startswith(_VISIBLE) and each not in _BLANK for each in text)


def normal_email(address: str) -> str:
    """Returns the one form of an e-mail address by which it is compared: trimmed, lower-case, with an ASCII domain.

    Mail is delivered to a domain's ASCII form. Full-width letters and characters that show nothing do not change that
    form, so they must not make one mailbox several addresses, each with limits of its own.
    """
    text = address.strip().lower()
    local, at, domain = text.rpartition("@")
    if domain.isascii():
        return text
    try:
        return f"{local}{at}{punycode(domain)}"
    except UnicodeError:
        return text


def normal_vat_number(text: str) -> str:
    """Returns a VAT number as it is stored: its letters and digits alone, in capitals."""
    return "".join(each for each in text if each not in " .-").upper()


def as_sentence(text: str) -> str:
    """Writes an error's text as a sentence of a page: with a capital letter and a full stop."""
    return capfirst(text if text.endswith(".") else f"{text}.")
