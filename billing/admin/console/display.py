"""How the console writes amounts, times, states and references, and the tables and facts made of them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple

import simplejson
from django.conf import settings
from django.urls import reverse
from django.utils.html import format_html
from django.utils.http import urlencode
from django.utils.safestring import SafeString

from billing.money import format_money

NOTHING = "\N{EN DASH}"

Text = str | SafeString
# How much of an id's end tells it from others.
_ID_TAIL_LENGTH = 8


class Column(NamedTuple):
    """A column's heading; amounts stand on the right."""

    title: str
    right: bool = False


class Fact(NamedTuple):
    """One thing to know about a record."""

    title: str
    value: Text


class Tool(NamedTuple):
    """A button at a page's head."""

    title: str
    url: str
    kind: str = "plain"


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """A table below a record: rows of ready cells, and the way to all of them; or facts of their own."""

    title: str
    columns: Sequence[Column] = ()
    rows: Sequence[Sequence[Text]] = ()
    empty: str = ""
    facts: Sequence[Fact] = ()
    more_title: str = ""
    more_url: str = ""
    notes: Sequence[str] = field(default_factory=tuple)


def amount(minor: int | None, *, signed: bool = False) -> Text:
    """An amount with all its decimals, figures of one width; negative ones are marked."""
    if minor is None:
        return NOTHING
    sign = "+" if signed and minor > 0 else ""
    return format_html(
        '<span class="amount{}">{}{}</span>',
        " amount-negative" if minor < 0 else "",
        sign,
        format_money(minor, currency=settings.SOVEREIGN_CURRENCY),
    )


def moment(value: datetime | None) -> Text:
    """A time in UTC, to the second; the zone is said by whoever says what time it is."""
    if value is None:
        return NOTHING
    utc = value.astimezone(UTC)
    return format_html(
        '<time datetime="{}" title="{}" class="moment">{}</time>',
        utc.isoformat(),
        f"{utc:%Y-%m-%d %H:%M:%S} UTC",
        f"{utc:%Y-%m-%d %H:%M:%S}",
    )


def day(value: datetime) -> SafeString:
    """A time's day, where the list is long and the hour seldom matters; the hour is its title."""
    utc = value.astimezone(UTC)
    return format_html('<time title="{}" class="moment">{}</time>', f"{utc:%Y-%m-%d %H:%M:%S} UTC", f"{utc:%Y-%m-%d}")


def clipped(text: str) -> Text:
    """A text that may be long, on one line; the whole of it as its title."""
    return format_html('<span class="clip" title="{0}">{0}</span>', text) if text else NOTHING


def two_lines(first: object, second: object) -> SafeString:
    """Two things in one cell of a list."""
    return format_html('<span class="lines"><span>{}</span><small>{}</small></span>', first, second)


def unbroken(text: str) -> SafeString:
    """A text that stays on one line."""
    return format_html('<span class="nowrap">{}</span>', text)


def badge(text: str, kind: str = "plain") -> SafeString:
    """A state; `kind` is plain, good, warn, bad or info."""
    return format_html('<span class="badge badge-{}">{}</span>', kind, text)


def state_badge(state: str) -> SafeString:
    """The state of an order, subscription, invoice, organization, redemption, hold, entry or job."""
    return badge(state.replace("_", " "), _KINDS.get(state, "plain"))


_KINDS = {
    **dict.fromkeys(
        ("active", "completed", "confirmed", "paid", "succeeded", "delivered", "done", "complete"), "good"
    ),
    **dict.fromkeys(("pending", "provisioning", "reserved", "open", "doing", "trialing", "draft", "todo"), "info"),
    **dict.fromkeys(("past_due", "suspended", "unpaid", "incomplete", "paused", "refunded"), "warn"),
    **dict.fromkeys(("failed", "aborted", "uncollectible"), "bad"),
}


def link(text: object, url: str) -> SafeString:
    """A reference to another page of the console."""
    return format_html('<a class="ref" href="{}">{}</a>', url, text)


def outward_link(text: object, url: str) -> Text:
    """A page elsewhere, in a tab of its own; nothing where the address is none of the web."""
    if not url.startswith(("https://", "http://")):
        return NOTHING
    return format_html('<a class="ref" href="{}" target="_blank" rel="noopener noreferrer">{}</a>', url, text)


def copyable(text: str) -> SafeString:
    """A long text on one line, all of which one click selects."""
    return format_html('<span class="copyable" title="A click selects all of it">{}</span>', text)


def code(text: object) -> Text:
    """An id, slug or code: letters of one width."""
    return format_html('<code class="mono">{}</code>', text) if text else NOTHING


def short_id(identity: object) -> SafeString:
    """The telling end of an id (the front of a version 7 one is its time); the whole one as its title."""
    return format_html('<code class="mono" title="{}">…{}</code>', identity, str(identity)[-_ID_TAIL_LENGTH:])


def short_stripe_id(identity: str) -> SafeString:
    """An id of Stripe's, which may be long: its kind and its telling end; the whole one as its title."""
    kind, _, rest = identity.rpartition("_")
    if len(rest) <= _ID_TAIL_LENGTH:
        return format_html('<code class="mono">{}</code>', identity)
    return format_html(
        '<code class="mono" title="{}">{}…{}</code>', identity, f"{kind}_" if kind else "", rest[-_ID_TAIL_LENGTH:]
    )


def change_url(model: str, pk: object) -> str:
    """The page of one record; `model` is `app_model`."""
    return reverse(f"admin:{model}_change", args=[pk])


def list_url(model: str, **narrowed: str) -> str:
    """The list of a model, narrowed by what is given."""
    url = reverse(f"admin:{model}_changelist")
    return f"{url}?{urlencode(narrowed)}" if narrowed else url


def pretty(value: Any) -> Text:
    """JSON for reading; amounts keep their decimals."""
    return format_html(
        '<pre class="json">{}</pre>',
        simplejson.dumps(value, indent=2, ensure_ascii=False, use_decimal=True, default=str),
    )
