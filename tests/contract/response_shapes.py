"""The shapes of all responses: exactly these fields, each of its JSON type.

A shape is a dict of fields, each a shape itself or a predicate. An unlisted field fails, so no field is published
by mistake.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from .api_client import Answer

Shape = Any

_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z")
_ERROR_CODE = re.compile(r"[a-z][a-z0-9_]*")


def text(value: Any) -> bool:
    return isinstance(value, str)


def flag(value: Any) -> bool:
    return isinstance(value, bool)


def whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def omr(value: Any) -> bool:
    """An amount in OMR: at most three decimals, and a whole one is an integer."""
    if isinstance(value, Decimal):
        return value != value.to_integral_value() and -value.normalize().as_tuple().exponent <= 3  # type: ignore[operator]
    return whole(value)


def identity(value: Any) -> bool:
    """A UUID as text, in its canonical form."""
    return isinstance(value, str) and str(UUID(value)) == value


def moment(value: Any) -> bool:
    """RFC 3339 in UTC."""
    if not isinstance(value, str) or not _MOMENT.fullmatch(value):
        return False
    return datetime.fromisoformat(value).tzinfo is not None


def texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def identities(value: Any) -> bool:
    return isinstance(value, list) and all(identity(item) for item in value)


def mapping(value: Any) -> bool:
    return isinstance(value, dict)


def null(value: Any) -> bool:
    return value is None


def one_of(*values: Any) -> Callable[[Any], bool]:
    return lambda value: any(value == each and type(value) is type(each) for each in values)


def either(*shapes: Shape) -> Callable[[Any], bool]:
    return lambda value: any(shape(value) for shape in shapes)


@dataclass(frozen=True, slots=True)
class Nullable:
    """A field that may be null."""

    shape: Shape


@dataclass(frozen=True, slots=True)
class Maybe:
    """A field that may be absent."""

    shape: Shape


def money(name: str) -> dict[str, Shape]:
    return {f"{name}_omr": omr, f"{name}_minor": whole, f"{name}_baisa": whole, "currency": one_of("OMR")}


def assert_shape(value: Any, shape: Shape, at: str = "answer") -> None:
    """Assert that the value has exactly this shape; a list of one shape means an array of that shape."""
    if isinstance(shape, Maybe):
        shape = shape.shape
    if isinstance(shape, Nullable):
        if value is None:
            return
        shape = shape.shape
    if isinstance(shape, list):
        assert isinstance(value, list), f"{at} is no array: {value!r}"
        for number, item in enumerate(value):
            assert_shape(item, shape[0], f"{at}[{number}]")
    elif isinstance(shape, Mapping):
        assert isinstance(value, dict), f"{at} is no object: {value!r}"
        optional = {name for name, part in shape.items() if isinstance(part, Maybe)}
        assert shape.keys() - optional <= value.keys() <= shape.keys(), f"{at} has {sorted(value)}"
        for name, part in value.items():
            assert_shape(part, shape[name], f"{at}.{name}")
    else:
        assert shape(value), f"{at} is {value!r}, not {shape.__name__}"


def assert_refused(answer: Answer, status: int, code: str, starts: str = "") -> None:
    """Assert that the answer is an error of this status and code whose sentence starts with `starts`."""
    assert answer.status == status, f"{answer.status}, not {status}: {answer.content!r}"
    assert_error(answer)
    assert answer.code == code, answer.body
    assert answer.body["error"].startswith(starts), answer.body


def assert_error(answer: Answer) -> None:
    """Assert that the answer has the shape of every error under the API root."""
    assert answer.headers["Content-Type"] == "application/json"
    assert isinstance(answer.body, dict), answer.content
    assert {"error", "code"} <= answer.body.keys() <= {"error", "code", "fields"}, answer.body
    assert isinstance(answer.body["error"], str) and answer.body["error"].strip()
    assert _ERROR_CODE.fullmatch(answer.body["code"]), answer.body
    for name, sentences in answer.body.get("fields", {}).items():
        assert isinstance(name, str)
        assert texts(sentences) and sentences, answer.body
    assert b"Traceback" not in answer.content and b"<html" not in answer.content.lower()


VOUCHER = {
    "code": text,
    "credit_omr": omr,
    "credit_minor": whole,
    "currency": one_of("OMR"),
    "description": text,
    "active": flag,
    "max_redemptions": whole,
    "times_redeemed": whole,
    "created_at": moment,
    # extensions
    "credit_baisa": whole,
    "hot": flag,
    "starts_at": either(null, moment),
    "expires_at": either(null, moment),
}
CAMPAIGN = {
    "id": identity,
    "name": text,
    "purpose": text,
    "owner_email": text,
    "credit_class": one_of("sold", "promotional", "compensation"),
    **money("budget"),
    **money("used"),
    "hot": flag,
    "starts_at": either(null, moment),
    "ends_at": either(null, moment),
    "status": one_of("draft", "approved", "active", "paused", "ended"),
    "drafted_by": text,
    "approved_by": text,
    "created_at": moment,
    "updated_at": moment,
}
PREVIEW = {
    "code": text,
    "credit_omr": omr,
    "credit_minor": whole,
    "credit_baisa": whole,
    "currency": one_of("OMR"),
    "description": text,
    "active": flag,
    "accepting_redemptions": flag,
}
CHECKOUT = {
    "order_id": identity,
    "paid_by_credit": one_of(True),
    "credit_balance": omr,
    "credit_balance_minor": whole,
}
QUOTE = {
    "lines": [{"kind": one_of("plan", "addon"), "id": identity, "slug": text, "name": text, **money("price")}],
    **money("total"),
    **money("credit_applied"),
    **money("amount_due"),
    **money("credit_left"),
    **money("proration"),
    **money("next_month"),
    # With the credit that it adds, or with an error and the error's code.
    "promo": Maybe(
        {"code": text, "error": Maybe(text), **{name: Maybe(part) for name, part in money("credit").items()}}
    ),
    # an extension
    "refusal": Maybe({"error": text, "code": text}),
}
TOP_UP = {
    "code": text,
    **money("credit"),
    "credit_balance": omr,
    "credit_balance_minor": whole,
    # an extension
    "paid_invoices": Maybe(identities),
}
ENTRY = {
    "id": identity,
    **money("amount"),
    "reason": text,
    "order_id": Maybe(identity),
    "created_at": moment,
}
BALANCE = {**money("credit"), "held_minor": whole, "available_minor": whole, "entries": [ENTRY]}
OPEN_PAYMENT = {
    "order_id": identity,
    "payment_url": text,
    **money("amount"),
    "credit_held_minor": whole,
    "expires_at": moment,
}
SUBSCRIPTION = {
    "id": identity,
    "plan_id": identity,
    "status": text,
    "current_period_start": moment,
    "current_period_end": moment,
    # extensions
    "tenant_id": identity,
    "addon_ids": texts,
    "paid_by": one_of("credit", "stripe"),
    **money("amount"),
    "past_due_since": either(null, moment),
    "grace_ends_at": either(null, moment),
    "open_payment": Nullable(OPEN_PAYMENT),
    "cancel_at_period_end": flag,
    "canceled_at": either(null, moment),
    "created_at": moment,
}
INVOICE = {
    "id": identity,
    **money("amount"),
    "status": text,
    "period_start": moment,
    "period_end": moment,
    "pdf_url": text,
    "created_at": moment,
    # extensions
    "open_payment": Nullable(OPEN_PAYMENT),
}
ORGANIZATION = {
    "id": identity,
    "slug": text,
    "name": text,
    "plan_id": either(null, identity),
    "apps": identities,
    "addons": identities,
    "app_slugs": texts,
    "status": one_of("pending", "provisioning", "active", "suspended", "deleted"),
    "app_states": mapping,
    "created_at": moment,
}
STEP = {
    "name": text,
    "status": one_of("pending", "running", "completed", "failed"),
    "message": text,
    "started_at": Maybe(moment),
    "done_at": Maybe(moment),
}
JOB = {
    "id": identity,
    "tenant_id": identity,
    "tenant_slug": text,
    "kind": one_of("install", "uninstall"),
    "app_slug": text,
    "app_id": identity,
    "app_name": text,
    "status": one_of("pending", "running", "succeeded", "failed"),
    "steps": [STEP],
    "progress": whole,
    "purged_services": Maybe([{"slug": text, "name": text}]),
    "retained_services": Maybe([{"slug": text, "name": text}]),
    "created_at": moment,
    "updated_at": moment,
}
APP_CHANGE = {
    "status": one_of("queued", "already_installed", "not_installed"),
    "apps": [identity],
    "app_states": mapping,
    "deployed": Maybe([identity]),
}
PROVISION = {
    "id": identity,
    "tenant_id": identity,
    "order_id": identity,
    "plan_id": identity,
    "apps": [identity],
    "subdomain": text,
    "status": one_of("pending", "provisioning", "completed", "failed"),
    "steps": [STEP],
    "progress": whole,
    "created_at": moment,
    "updated_at": moment,
}
TENANTS = {"tenants": [{**ORGANIZATION, "member_count": whole}], "total": whole, "offset": whole, "limit": whole}
MEMBER = {
    "id": identity,
    "tenant_id": identity,
    "user_id": text,
    "email": text,
    "role": one_of("owner", "admin", "member", "viewer"),
    "joined_at": moment,
}
REVENUE = {
    "total_mrr": omr,
    "total_mrr_minor": whole,
    "total_mrr_baisa": whole,
    "currency": one_of("OMR"),
    "total_customers": whole,
    "new_this_month": whole,
    "active_subscriptions": whole,
}
EVENT = {
    "id": identity,
    "type": text,
    "topic": text,
    "source": text,
    "timestamp": moment,
    "tenant_id": identity,
    "data": mapping,
    "metadata": mapping,
    "delivered_at": either(null, moment),
}
ORDER_PLACED = {
    "id": identity,
    "customer_id": text,
    "tenant_id": identity,
    "plan_id": identity,
    "apps": identities,
    "addons": identities,
    **money("amount"),
    "status": one_of("completed"),
    "subdomain": text,
}
ORDER = {
    "id": identity,
    "customer_id": text,
    "tenant_id": identity,
    "plan_id": identity,
    "apps": identities,
    "addons": identities,
    **money("amount"),
    "status": one_of("pending", "completed", "failed", "expired", "cancelled", "refunded"),
    "credit_applied_minor": whole,
    "amount_due_minor": whole,
    "promo_code": Maybe(text),
    "promo_deleted": flag,
    "created_at": moment,
}
PLAN = {
    **dict.fromkeys(("slug", "name", "description", "cpu", "memory", "storage", "stripe_price_id"), text),
    "id": identity,
    "price_omr": omr,
    "popular": flag,
    "sort_order": whole,
    "features": texts,
    # extensions
    "price_minor": whole,
    "currency": one_of("OMR"),
}
APP = {
    **dict.fromkeys(("slug", "name", "tagline", "description", "category", "icon", "icon_bg"), text),
    **dict.fromkeys(("website", "license", "kind"), text),
    **dict.fromkeys(("free", "featured", "popular", "system", "shareable", "deployable"), flag),
    "id": identity,
    "features": texts,
    "dependencies": texts,
    # extensions
    "minimum_size": text,
    "recommended_size": text,
}
ADDON = {
    **dict.fromkeys(("slug", "name", "description", "category"), text),
    "id": identity,
    "price_omr": omr,
    "included": flag,
    # extensions
    "price_minor": whole,
    "currency": one_of("OMR"),
}
INDUSTRY = {
    **dict.fromkeys(("slug", "name", "emoji", "description"), text),
    "id": identity,
    "suggested_apps": texts,
    # extensions
    "bundle": text,
}
BUNDLE = {
    **dict.fromkeys(("slug", "name", "tagline", "recommended_size"), text),
    "id": identity,
    "apps": texts,
    "discount": whole,
}
