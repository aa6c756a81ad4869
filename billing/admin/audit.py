"""The pages of the audit trail: who changed what, when, from where and why. Money is recorded in the ledger."""

import json
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib import admin
from django.db.models import Q
from django.http import HttpRequest
from django.utils.html import format_html_join
from django.utils.safestring import SafeString

from billing.actor import CUSTOMER, STAFF_ROLES, SYSTEM
from billing.admin.console.base import ReadOnlyAdmin
from billing.admin.console.display import (
    NOTHING,
    Column,
    Fact,
    Panel,
    Text,
    becomes,
    clipped,
    code,
    link,
    list_url,
    moment,
    short_id,
    two_lines,
)
from billing.admin.console.filters import DayRangeFilter, one_of
from billing.language import name_person, name_role, say
from billing.local_time import local_text
from billing.models import AuditEntry, AuditLink
from billing.money import format_money
from billing.stored_words import say_reason, say_stored_value

# The kinds of objects that acts are recorded of.
OBJECT_TYPES = (
    "addon",
    "alert",
    "app",
    "batch",
    "break",
    "bulk_grant",
    "bundle",
    "campaign",
    "customer",
    "deadletter",
    "dealer",
    "domain",
    "event",
    "industry",
    "ledger",
    "month",
    "order",
    "organization",
    "plan",
    "posting_rule",
    "processorsettings",
    "promo_code",
    "proposal",
    "redemption",
    "restoration",
    "secrets",
    "sign_in_code",
    "subscription",
    "user",
    "vat_rate",
    "webhookdelivery",
    "webhookendpoint",
)
_NAMES_OF_TYPES = {
    "addon": "add-on",
    "deadletter": "event set aside",
    "month": "closed month",
    "processorsettings": "Stripe keys",
    "promo_code": "voucher",
    "restoration": "outside calls",
    "sign_in_code": "sign-in code",
    "vat_rate": "VAT rate",
    "webhookdelivery": "webhook delivery",
    "webhookendpoint": "webhook",
}
CHANNELS = ("admin", "api", "command", "page", "worker")
_NAMES_OF_CHANNELS = {"admin": "Console", "api": "API", "command": "Command", "page": "Page", "worker": "Worker"}
_MAX_PANEL_ROWS = 20
# Object type → the list that finds the object: model, fixed parameters, and the parameter for the object's id.
_PAGES = {
    "batch": ("promos_batch", {}, "q"),
    "dealer": ("promos_dealer", {}, "id"),
    "promo_code": ("promos_promocode", {"state": "all"}, "q"),
    "organization": ("billing_organization", {}, "q"),
    "user": ("billing_user", {"kind": "all"}, "id"),
}


def name_channel(channel: str) -> str:
    """Returns where an act came from, for people."""
    return say(_NAMES_OF_CHANNELS.get(channel, channel))


def name_type(kind: str) -> str:
    """Returns what a kind of object is called, in English."""
    return _NAMES_OF_TYPES.get(kind, kind).replace("_", " ")


@admin.register(AuditEntry)
class AuditEntryAdmin(ReadOnlyAdmin):
    """Audit entries. They are append-only in the database, and this page only reads them."""

    reads_replica = True
    list_display = ("when", "what", "who", "origin", "why")
    list_filter = (
        one_of("object_type", OBJECT_TYPES, name_type),
        one_of("actor_role", (*STAFF_ROLES, CUSTOMER, SYSTEM)),
        one_of("channel", CHANNELS, name_channel),
        ("created_at", DayRangeFilter),
    )
    list_filter_submit = True
    narrow_by = {"object_type": "kind", "object_id": "object", "actor_id": "user id", "request_id": "request"}
    search_fields = ("object_id",)
    search_help_text = "Code or id of the object, e-mail, user id or id of the request"

    def search_filter(self, term: str) -> Q:
        # The index of objects begins with their kind.
        of_object = Q(object_type__in=OBJECT_TYPES, object_id__in={term, term.upper()})
        found = of_object | Q(actor_id=term) | Q(actor_email__iexact=term) | Q(request_id=term)
        return found | Q(pk=UUID(term)) if _is_uuid(term) else found

    @admin.display(description="Time")
    def when(self, entry: AuditEntry) -> Text:
        return moment(entry.created_at)

    @admin.display(description="What")
    def what(self, entry: AuditEntry) -> Text:
        identity = entry.object_id
        return two_lines(_sentence(entry.action), short_id(identity) if _is_uuid(identity) else code(identity))

    @admin.display(description="Who")
    def who(self, entry: AuditEntry) -> Text:
        return two_lines(clipped(entry.actor_email or entry.actor_id), name_role(entry.actor_role))

    @admin.display(description="From")
    def origin(self, entry: AuditEntry) -> Text:
        return two_lines(name_channel(entry.channel), entry.address or "")

    @admin.display(description="Why")
    def why(self, entry: AuditEntry) -> Text:
        return clipped(say_reason(entry.reason))

    def title_of(self, record: Any) -> str:
        return f"{_sentence(record.action)}: {record.object_id}"

    def facts(self, request: HttpRequest, record: Any) -> Iterable[Fact]:
        yield Fact("What", _sentence(record.action))
        yield Fact("Of what", _object_link(record))
        yield Fact("Time", moment(record.created_at))
        yield Fact("Who", record.actor_email or NOTHING)
        yield Fact("User id", code(record.actor_id))
        yield Fact("Role", name_role(record.actor_role))
        yield Fact("From", _origin(record))
        yield Fact("Request", code(record.request_id))
        yield Fact("Why", say_reason(record.reason) or NOTHING)
        link = AuditLink.objects.filter(entry=record).first()
        if link:
            yield Fact("Number in the chain", f"{link.number:,}")
            yield Fact("Hash", code(bytes(link.hash).hex()))

    def panels(self, request: HttpRequest, record: Any) -> Iterable[Panel]:
        yield Panel(
            title="Changes",
            columns=[Column("Field"), Column("Before"), Column("After")],
            rows=list(_format_changes(record.changes)),
            empty="No field was changed.",
        )


def history_panel(*, object_type: str, object_id: str) -> Panel:
    """Makes a panel of an object's newest changes. One query."""
    entries = AuditEntry.objects.filter(object_type=object_type, object_id=object_id)
    return Panel(
        title="History",
        columns=[
            Column("Time"),
            Column("What"),
            Column("Changes"),
            Column("Why"),
            Column("Who"),
            Column("From"),
        ],
        rows=[
            (
                moment(entry.created_at),
                _sentence(entry.action),
                _changes(entry.changes),
                say_reason(entry.reason) or NOTHING,
                name_person(entry.actor_email or entry.actor_id, entry.actor_role),
                _origin(entry),
            )
            for entry in entries.order_by("-created_at", "-pk")[:_MAX_PANEL_ROWS]
        ],
        empty="Nothing has been changed yet.",
    )


def _sentence(action: str) -> str:
    """Formats an action for people: `promo_code.retired` becomes `voucher retired`."""
    return say(action.replace("promo_code", "voucher").replace(".", " ").replace("_", " "))


def _origin(entry: AuditEntry) -> str:
    channel = name_channel(entry.channel)
    return f"{channel}{say(', ')}{entry.address}" if entry.address else channel


def _is_uuid(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True


def _object_link(entry: AuditEntry) -> Text:
    page = _PAGES.get(entry.object_type)
    if page is None:
        return code(entry.object_id)
    model, fixed, parameter = page
    return link(entry.object_id, list_url(model, **fixed, **{parameter: entry.object_id}))


def _changes(changes: dict[str, Any]) -> SafeString:
    """Formats changes for one cell. The empty value before a creation is left out."""
    lines = (
        (name, becomes(before, after) if before != NOTHING else after)
        for name, before, after in _format_changes(changes)
        if (before, after) != (NOTHING, NOTHING)
    )
    return format_html_join("", '<span class="change"><b>{}</b> {}</span>', lines)


def _format_changes(changes: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    for name, change in changes.items():
        before, after = change if isinstance(change, list) and len(change) == 2 else (None, change)  # noqa: PLR2004
        yield _title(name), _format_value(name, before), _format_value(name, after)


# The changed fields whose values are states and other words of the console.
_OF_WORDS = {"status", "credit_class", "vat_treatment", "alphabet", "role"}
_NAMES = {"hot": "expect a rush", "max_redemptions": "cap", "starts_at": "valid from", "expires_at": "valid until"}


def _format_value(name: str, value: Any) -> str:
    if value is None or value in ("", []):
        return NOTHING
    if isinstance(value, bool):
        return say("yes" if value else "no")
    if name.endswith("_minor") and isinstance(value, int):
        return format_money(value, currency=settings.SOVEREIGN_CURRENCY)
    if isinstance(value, str):
        if name in _OF_WORDS:
            return say(value.replace("_", " "))
        return _format_time(value) if name.endswith("_at") else say_stored_value(name, value)
    return _format_parts(value)


def _format_parts(value: Any) -> str:
    if isinstance(value, dict):
        return say(", ").join(f"{_title(key)}: {_format_value(key, part)}" for key, part in value.items())
    if isinstance(value, list) and not any(isinstance(part, dict | list) for part in value):
        return say(", ").join(map(str, value))
    return json.dumps(value, ensure_ascii=False)


def _title(name: str) -> str:
    return say(_NAMES.get(name) or name.removesuffix("_minor").replace("_", " "))


def _format_time(value: str) -> str:
    try:
        return local_text(datetime.fromisoformat(value))
    except ValueError:
        return value
