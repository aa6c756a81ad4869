"""Formats amounts, times, states and references for the console, and defines its facts, tables and buttons."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

import simplejson
from django.conf import settings
from django.urls import reverse
from django.utils.html import format_html
from django.utils.http import urlencode
from django.utils.safestring import SafeString
from django.utils.translation import get_language_bidi, gettext

from billing.local_time import local_day, local_text, to_local
from billing.money import format_money

NOTHING = "\N{EN DASH}"

Text = str | SafeString
# A shortened id shows this many characters of its end, enough to tell ids apart.
_ID_TAIL_LENGTH = 8


class Column(NamedTuple):
    """A column of a table. Columns of amounts are aligned right."""

    title: str
    right: bool = False


class Fact(NamedTuple):
    """A labelled value on a record's page."""

    title: str
    value: Text


class Tool(NamedTuple):
    """A button or link at the top of a page."""

    title: str
    url: str
    kind: str = "plain"


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """A section below a record: a group of facts, a chart, a table of rendered cells, and a link to the full list."""

    title: str
    columns: Sequence[Column] = ()
    rows: Sequence[Sequence[Text]] = ()
    empty: str = ""
    facts: Sequence[Fact] = ()
    chart_title: str = ""
    chart: Text = ""
    more_title: str = ""
    more_url: str = ""
    notes: Sequence[str] = field(default_factory=tuple)


def amount(minor: int | None, *, signed: bool = False) -> Text:
    """Formats an amount with all its decimals, in tabular figures. Negative amounts are marked."""
    if minor is None:
        return NOTHING
    sign = "+" if signed and minor > 0 else ""
    return format_html(
        '<span class="amount{}">{}{}</span>',
        " amount-negative" if minor < 0 else "",
        sign,
        format_money(minor, currency=settings.SOVEREIGN_CURRENCY),
    )


def use_bar(text: str, part: int, whole: int, *, title: str) -> SafeString:
    """Formats a text, such as `3 of 50`, above a bar of the part. `title` names the bar where it is not seen."""
    return format_html(
        '<span class="lines"><span class="moment">{}</span>'
        '<progress class="use-bar" value="{}" max="{}" aria-label="{}"></progress></span>',
        text,
        part,
        whole,
        gettext(title),
    )


def part_of_amount(minor: int, whole_minor: int) -> str:
    """Formats two amounts as `3.000 of 50.000 OMR`."""
    currency = settings.SOVEREIGN_CURRENCY
    part = format_money(minor, currency=currency).removesuffix(f" {currency}")
    return gettext("%(part)s of %(whole)s") % {"part": part, "whole": format_money(whole_minor, currency=currency)}


def moment(value: datetime | None) -> Text:
    """Formats a time in the Sovereign's time zone, to the second. The foot of each page names the zone."""
    if value is None:
        return NOTHING
    text = local_text(value)
    return format_html(
        '<time datetime="{}" title="{}" class="moment">{}</time>',
        to_local(value).isoformat(),
        f"{text} {settings.SOVEREIGN_TIME_ZONE}",
        text,
    )


def day(value: datetime) -> SafeString:
    """Formats the day of a time, for lists in which the hour seldom matters. The tooltip shows the full time."""
    title = f"{local_text(value)} {settings.SOVEREIGN_TIME_ZONE}"
    return format_html('<time title="{}" class="moment">{}</time>', title, local_day(value).isoformat())


def clipped(text: str) -> Text:
    """Clips a long text to one line. The tooltip shows all of it."""
    return format_html('<span class="clip" dir="auto" title="{0}">{0}</span>', text) if text else NOTHING


def clipped_code(text: str, note: str = "") -> Text:
    """Clips a code, and a note after it, to one line. The tooltip shows all of it."""
    whole = '<span class="clip" dir="auto" title="{0} {1}"><code class="mono">{0}</code> {1}</span>'
    return format_html(whole, text, note) if text else NOTHING


def two_lines(first: object, second: object) -> SafeString:
    """Puts two values into one cell of a list, one below the other."""
    return format_html('<span class="lines"><span>{}</span><small>{}</small></span>', first, second)


def becomes(before: object, after: object) -> SafeString:
    """Formats a change from one value to another, in the direction in which the page is read."""
    return format_html("<bdi>{}</bdi> {} <bdi>{}</bdi>", before, "←" if get_language_bidi() else "→", after)


def unbroken(text: str) -> SafeString:
    """Keeps a text on one line."""
    return format_html('<span class="nowrap">{}</span>', text)


def badge(text: str, kind: str = "plain") -> SafeString:
    """Formats a state as a badge. `kind` is plain, good, warn, bad or info and chooses the colour."""
    return format_html('<span class="badge badge-{}">{}</span>', kind, gettext(text))


def state_badge(state: str) -> SafeString:
    """Formats the state of a record as a badge in the colour of that state."""
    return badge(state.replace("_", " "), _KINDS.get(state, "plain"))


_KINDS = {
    **dict.fromkeys(
        ("active", "completed", "confirmed", "paid", "succeeded", "delivered", "done", "complete", "verified"), "good"
    ),
    **dict.fromkeys(
        ("pending", "provisioning", "running", "reserved", "open", "doing", "trialing", "draft", "todo"), "info"
    ),
    **dict.fromkeys(("past_due", "suspended", "unpaid", "incomplete", "paused", "refunded"), "warn"),
    **dict.fromkeys(("failed", "aborted", "uncollectible"), "bad"),
}


def link(text: object, url: str) -> SafeString:
    """Links to another page of the console."""
    return format_html('<a class="ref" href="{}">{}</a>', url, text)


def outward_link(text: object, url: str) -> Text:
    """Links to a page of another site in a new tab. Returns a dash if the address is not http or https."""
    if not url.startswith(("https://", "http://")):
        return NOTHING
    return format_html('<a class="ref" href="{}" target="_blank" rel="noopener noreferrer">{}</a>', url, text)


def copyable(text: str) -> SafeString:
    """Shows a long text on one line. One click selects all of it."""
    return format_html('<span class="copyable" title="{}">{}</span>', gettext("Click to select all of it"), text)


def code(text: object) -> Text:
    """Formats an id, slug or code in a monospaced font."""
    return format_html('<code class="mono">{}</code>', text) if text else NOTHING


def short_id(identity: object) -> SafeString:
    """Shortens an id to its end; the tooltip shows all of it. The start of a version 7 UUID is only its time."""
    return format_html('<code class="mono" title="{}">…{}</code>', identity, str(identity)[-_ID_TAIL_LENGTH:])


def short_stripe_id(identity: str) -> SafeString:
    """Shortens an id of Stripe to its prefix and its end. The tooltip shows all of it."""
    kind, _, rest = identity.rpartition("_")
    if len(rest) <= _ID_TAIL_LENGTH:
        return format_html('<code class="mono">{}</code>', identity)
    return format_html(
        '<code class="mono" title="{}">{}…{}</code>', identity, f"{kind}_" if kind else "", rest[-_ID_TAIL_LENGTH:]
    )


def change_url(model: str, pk: object) -> str:
    """Returns the address of a record's page. `model` is `app_model`."""
    return reverse(f"admin:{model}_change", args=[pk])


def list_url(model: str, **narrowed: str) -> str:
    """Returns the address of a model's list, filtered by the given parameters."""
    url = reverse(f"admin:{model}_changelist")
    return f"{url}?{urlencode(narrowed)}" if narrowed else url


def pretty(value: Any) -> Text:
    """Formats a value as indented JSON. Decimals keep their digits."""
    return format_html(
        '<pre class="json">{}</pre>',
        simplejson.dumps(value, indent=2, ensure_ascii=False, use_decimal=True, default=str),
    )
