"""The fields that every client relies on, with their types. An answer may have more."""

import re
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from tests.contract.json_shapes import flag, identities, identity, mapping, text, texts, whole

Check = Callable[[Any], bool]


def filled(value: Any) -> bool:
    return isinstance(value, str) and value.strip() != ""


def number(value: Any) -> bool:
    return whole(value) or isinstance(value, (Decimal, float))


def omr(value: Any) -> bool:
    """A number in OMR; whole numbers stay integers."""
    return whole(value) or (isinstance(value, (Decimal, float)) and Decimal(str(value)) % 1 != 0)


def moment(value: Any) -> bool:
    """RFC 3339 in UTC."""
    return (
        isinstance(value, str)
        and re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|\+00:00)", value) is not None
        and datetime.fromisoformat(value).utcoffset() == timedelta(0)
    )


def one_of(*words: str) -> Check:
    return lambda value: value in words


def optional(check: Check) -> Check:
    return lambda value: value is None or check(value)


def each(check: Mapping[str, Check]) -> Check:
    return lambda value: isinstance(value, list) and all(conforms(one, check) for one in value)


def conforms(value: Any, fields: Mapping[str, Check]) -> bool:
    """Assert that the object has at least these fields, each of its type."""
    assert isinstance(value, dict), value
    missing = fields.keys() - value.keys()
    assert not missing, f"{sorted(missing)} missing in {value}"
    for name, check in fields.items():
        assert check(value[name]), f"{name} is {value[name]!r}"
    return True


USER = {
    "id": filled,
    "email": filled,
    "name": text,
    "avatar_url": text,
    "role": filled,
    "created_at": moment,
    "updated_at": moment,
}
ORG = {
    "id": identity,
    "slug": filled,
    "name": text,
    "plan_id": optional(identity),
    "apps": identities,
    "addons": identities,
    "app_slugs": texts,
    "status": one_of("pending", "provisioning", "active", "suspended", "deleted"),
    "app_states": mapping,
    "created_at": moment,
    # an extension
    "vat_number": text,
}
MEMBER = {
    "id": identity,
    "tenant_id": identity,
    "user_id": text,
    "email": filled,
    "role": one_of("owner", "admin", "member", "viewer"),
    "joined_at": moment,
}
STEP = {"name": filled, "status": one_of("pending", "running", "completed", "failed"), "message": text}
PROVISION = {
    "id": identity,
    "tenant_id": identity,
    "order_id": identity,
    "plan_id": identity,
    "apps": identities,
    "subdomain": filled,
    "status": one_of("pending", "provisioning", "completed", "failed"),
    "steps": each(STEP),
    "progress": whole,
    "created_at": moment,
    "updated_at": moment,
}
JOB = {
    "id": identity,
    "tenant_id": identity,
    "tenant_slug": filled,
    "kind": one_of("install", "uninstall"),
    "app_slug": filled,
    "app_id": identity,
    "app_name": filled,
    "status": one_of("pending", "running", "succeeded", "failed"),
    "steps": each(STEP),
    "progress": whole,
    "created_at": moment,
    "updated_at": moment,
}
ENTRY = {"id": identity, "amount_omr": omr, "amount_minor": whole, "reason": filled, "created_at": moment}
BALANCE = {
    "credit_omr": omr,
    "credit_minor": whole,
    "currency": one_of("OMR"),
    "held_minor": whole,
    "available_minor": whole,
    "entries": each(ENTRY),
}
SUBSCRIPTION = {
    "id": identity,
    "plan_id": identity,
    "status": filled,
    "current_period_start": moment,
    "current_period_end": moment,
}
INVOICE = {
    "id": identity,
    "amount_omr": omr,
    "amount_minor": whole,
    "currency": one_of("OMR"),
    "status": filled,
    "period_start": moment,
    "period_end": moment,
    "pdf_url": text,
    "created_at": moment,
}
PLAN = {
    **dict.fromkeys(("slug", "name", "description", "cpu", "memory", "storage", "stripe_price_id"), text),
    "id": identity,
    "price_omr": omr,
    "popular": flag,
    "sort_order": whole,
    "features": texts,
}
APP = {
    **dict.fromkeys(("slug", "name", "tagline", "description", "category", "icon", "icon_bg"), text),
    **dict.fromkeys(("website", "license", "kind"), text),
    **dict.fromkeys(("free", "featured", "popular", "system", "shareable", "deployable"), flag),
    "id": identity,
    "features": texts,
    "dependencies": texts,
}
ADDON = {
    **dict.fromkeys(("slug", "name", "description", "category"), text),
    "id": identity,
    "price_omr": omr,
    "included": flag,
}
INDUSTRY = {
    **dict.fromkeys(("slug", "name", "emoji", "description"), text),
    "id": identity,
    "suggested_apps": texts,
}
BUNDLE = {
    **dict.fromkeys(("slug", "name", "tagline", "recommended_size"), text),
    "id": identity,
    "apps": texts,
    "discount": number,
}
CATALOG = {"plans": PLAN, "apps": APP, "addons": ADDON, "industries": INDUSTRY, "bundles": BUNDLE}
SERVICE = {
    "id": filled,
    "slug": filled,
    "name": filled,
    "category": one_of("database", "cache", "service"),
    "version": text,
    "endpoint_host": text,
    "endpoint_port": whole,
    "pod_status": one_of("Running", "Pending", "Failed", "unknown", "not_found"),
    "ready_replicas": whole,
    "total_replicas": whole,
}
DOMAIN = {
    "id": identity,
    "tenant_id": identity,
    "domain": filled,
    "type": one_of("subdomain", "byod"),
    "tld": text,
    "subdomain": text,
    "registrar": text,
    "dns_status": one_of("pending", "verified", "failed"),
    "tls_ready": flag,
    "created_at": moment,
    "updated_at": moment,
}
PREVIEW = {
    "code": filled,
    "credit_omr": omr,
    "credit_minor": whole,
    "currency": one_of("OMR"),
    "description": text,
    "active": flag,
    "accepting_redemptions": flag,
}
VOUCHER = {
    "code": filled,
    "credit_omr": omr,
    "credit_minor": whole,
    "currency": one_of("OMR"),
    "description": text,
    "active": flag,
    "max_redemptions": whole,
    "times_redeemed": whole,
    "created_at": moment,
}
ORDER = {
    "id": identity,
    "customer_id": filled,
    "tenant_id": identity,
    "plan_id": identity,
    "apps": identities,
    "addons": identities,
    "amount_omr": omr,
    "amount_minor": whole,
    "amount_baisa": whole,
    "status": one_of("pending", "completed", "failed", "expired", "cancelled", "refunded"),
    "promo_deleted": flag,
    "created_at": moment,
}
REVENUE = {
    "total_mrr": omr,
    "total_mrr_minor": whole,
    "total_mrr_baisa": whole,
    "total_customers": whole,
    "new_this_month": whole,
    "active_subscriptions": whole,
}
QUOTE = {
    "lines": lambda value: isinstance(value, list),
    **{
        f"{name}_{unit}": check
        for name in ("total", "credit_applied", "amount_due", "credit_left", "proration", "next_month")
        for unit, check in (("minor", whole), ("omr", omr), ("baisa", whole))
    },
}
PROCESSOR_SETTINGS = {
    "stripe_secret_key_configured": flag,
    "stripe_webhook_secret_configured": flag,
    "stripe_secret_key_last4": text,
    "stripe_webhook_secret_last4": text,
    "stripe_public_key": text,
    "updated_at": optional(moment),
}
