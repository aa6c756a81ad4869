"""The types of outgoing events in words, beside the names that other systems know."""

from typing import Any

from django.utils.functional import lazy

from billing.admin.console.display import Text, code, two_lines
from billing.language import say

_WORDS = {
    "order.placed": "Order placed",
    "tenant.created": "Organization created",
    "tenant.deleted": "Organization deleted",
    "subscription.renewed": "Subscription renewed",
    "subscription.past_due": "Subscription past due",
    "subscription.canceled": "Subscription ended",
    "provision.requested": "Organization to be set up",
    "app.install_requested": "App to be installed",
    "app.uninstall_requested": "App to be removed",
    "domain.added": "Domain added",
    "domain.verified": "Domain verified",
    "domain.failed": "Domain not verified",
    "domain.removed": "Domain removed",
}


def event_words(kind: str) -> str:
    """Returns what a type of events announces; its name where no words fit."""
    return _WORDS.get(kind, kind)


def event_choice(kind: str) -> Any:
    """Returns a type as a form offers it: its words and its name. It is lazy, since forms are made at import."""
    return lazy(lambda: f"{say(event_words(kind))} ({kind})", str)()


def event_type(kind: str) -> Text:
    """Formats a type: its words, and its name below them."""
    return two_lines(say(_WORDS[kind]), code(kind)) if kind in _WORDS else code(kind)
