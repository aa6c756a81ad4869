"""The shapes of all responses: exactly these fields, each of its JSON type."""

from .json_shapes import (
    Maybe,
    Nullable,
    either,
    flag,
    identities,
    identity,
    mapping,
    moment,
    money,
    null,
    omr,
    one_of,
    text,
    texts,
    whole,
)

PREVIEW = {
    "code": text,
    "credit_omr": omr,
    "credit_minor": whole,
    "credit_baisa": whole,
    "currency": one_of("OMR"),
    "description": text,
    "active": flag,
    "accepting_redemptions": flag,
    # an extension
    "credit_expires_at": Maybe(moment),
}
VAT = {"basis_points": whole, **money("vat"), **money("net")}
CHECKOUT = {
    "order_id": identity,
    "paid_by_credit": one_of(True),
    "credit_balance": omr,
    "credit_balance_minor": whole,
    # an extension
    "vat": Maybe(VAT),
}
QUOTE = {
    "lines": [{"kind": one_of("plan", "addon"), "id": identity, "slug": text, "name": text, **money("price")}],
    **money("total"),
    **money("credit_applied"),
    **money("amount_due"),
    **money("credit_left"),
    **money("proration"),
    **money("next_month"),
    # an extension
    "bundle": Maybe({"id": identity, "slug": text, "name": text, "discount_percent": whole, **money("discount")}),
    # With the credit that it adds, or with an error and the error's code.
    "promo": Maybe(
        {
            "code": text,
            "error": Maybe(text),
            "credit_expires_at": Maybe(moment),
            **{name: Maybe(part) for name, part in money("credit").items()},
        }
    ),
    # an extension
    "refusal": Maybe({"error": text, "code": text}),
    # an extension
    "vat": Maybe(VAT),
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
BALANCE = {
    **money("credit"),
    "held_minor": whole,
    "available_minor": whole,
    "entries": [ENTRY],
    # extensions
    "next_expiry": Nullable({"amount_minor": whole, "expires_at": moment}),
    "lots": [
        {
            "amount_minor": whole,
            "expires_at": either(null, moment),
            "credit_class": one_of("sold", "promotional", "compensation"),
        }
    ],
}
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
    # an extension
    "vat_number": text,
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
    # an extension
    "vat": Maybe(VAT),
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
