"""Composes a mail from one template of plain text, whose first line is the subject.

The HTML is made of that text, so the two never say different things. An indented line with a colon is a row of a
bill, an indented address is a button, whose words may precede it before a colon, and any other indented line stands
out, such as a code. Styles are inline, because mail programs drop stylesheets, and nothing is loaded from elsewhere.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from django.conf import settings
from django.template.loader import render_to_string
from django.utils import translation
from django.utils.translation import gettext as _

DEFAULT_COLOR = "#5b2bb5"
_URL = re.compile(r"https?://\S+")
# Right-to-left texts isolate an address.
_NAMED_URL = re.compile(r"(.+): \u2068?(https?://[^\s\u2069]+)\u2069?")
_INDENT = "  "


@dataclass(frozen=True, slots=True, kw_only=True)
class ComposedMail:
    subject: str
    text: str
    html: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A part of a mail: a paragraph of lines, the rows of a bill, a button, or a line that stands out."""

    lines: tuple[str, ...] = ()
    rows: tuple[tuple[str, str], ...] = ()
    link: str = ""
    link_words: str = ""
    emphasis: str = ""


def compose_mail(
    *, template: str, context: dict[str, Any], language: str = "", unsubscribe: str = ""
) -> ComposedMail:
    """Writes a mail in a language. Lazy values of the context are written in that language too.

    Args: language: of `settings.LANGUAGES`; any other means the default. unsubscribe: the address that declines such
    mails, of an optional one.
    """
    chosen = language if language in dict(settings.LANGUAGES) else settings.LANGUAGE_CODE
    with translation.override(chosen):
        text = render_to_string(template, {"sovereign": settings.SOVEREIGN_NAME, **context})
        subject, _end, body = text.partition("\n")
        # Django refuses to send a subject with a line break, which a name may contain.
        subject, body = " ".join(subject.split()), re.sub(r"\n{3,}", "\n\n", body.strip()) + "\n"
        contact = settings.SUPPORT_CONTACT
        frame = {
            "subject": subject,
            "blocks": list(read_blocks(body)),
            "sovereign": settings.SOVEREIGN_NAME,
            "color": settings.BRAND_COLOR or DEFAULT_COLOR,
            "support": contact and (contact if "://" in contact else f"mailto:{contact}"),
            "legal_links": settings.LEGAL_LINKS,
            "unsubscribe": unsubscribe,
        }
        if unsubscribe:
            body += f"\n{_('To get no more of these mails:')} {unsubscribe}\n"
        return ComposedMail(subject=subject, text=body, html=render_to_string("mail/frame.html", frame))


def read_blocks(body: str) -> Iterator[Block]:
    """Yields the parts of a mail's text."""
    for paragraph in re.split(r"\n\s*\n", body.strip("\n")):
        for is_indented, lines in groupby(paragraph.split("\n"), key=lambda line: line.startswith(_INDENT)):
            texts = tuple(line.strip() for line in lines)
            if is_indented:
                yield from _read_indented(texts)
            else:
                yield Block(lines=texts)


def _read_indented(texts: tuple[str, ...]) -> Iterator[Block]:
    if all(_URL.fullmatch(text) for text in texts):
        yield from (Block(link=text) for text in texts)
    elif all(named := [_NAMED_URL.fullmatch(text) for text in texts]):
        yield from (Block(link=each[2], link_words=each[1]) for each in named if each)
    elif all(": " in text for text in texts):
        yield Block(rows=tuple((name, price) for name, _, price in (text.rpartition(": ") for text in texts)))
    else:
        yield from (Block(emphasis=text) for text in texts)
