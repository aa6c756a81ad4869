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

RESTRICTIONS = {
    "only": either(null, one_of("orders", "top_ups")),
    "plans": identities,
    "addons": identities,
    **money("minimum_order"),
    "first_order_only": flag,
    "email_domains": texts,
    "customers": texts,
    "uses_per_customer": either(null, whole),
    "uses_per_day": either(null, whole),
    "uses_per_week": either(null, whole),
    "uses_per_month": either(null, whole),
    "time_zone": either(null, text),
}
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
    "restrictions": Nullable(RESTRICTIONS),
    "credit_days": either(null, whole),
    "credit_expires_at": either(null, moment),
}
FORECAST = {
    "made_at": moment,
    "made_by": text,
    "is_stale": flag,
    **money("credit"),
    "max_redemptions": whole,
    "since": moment,
    "until": moment,
    "sampled_one_in": whole,
    "orders": whole,
    "qualified_orders": whole,
    "qualified_customers": whole,
    "refused": mapping,
    "expected_redemptions": whole,
    **money("expected"),
    "worst_redemptions": whole,
    **money("worst"),
    "is_unlimited": flag,
    **money("ceiling"),
    "full_after_days": either(null, whole),
}
CAMPAIGN = {
    "id": identity,
    "name": text,
    "purpose": text,
    "owner_email": text,
    "credit_class": one_of("sold", "promotional", "compensation"),
    "vat_treatment": one_of("multi_purpose", "single_purpose", "no_consideration"),
    **money("budget"),
    **money("used"),
    "hot": flag,
    "starts_at": either(null, moment),
    "ends_at": either(null, moment),
    "credit_days": either(null, whole),
    "credit_expires_at": either(null, moment),
    "status": one_of("draft", "approved", "active", "paused", "ended"),
    "drafted_by": text,
    "approved_by": text,
    "created_at": moment,
    "updated_at": moment,
    "restrictions": Nullable(RESTRICTIONS),
    "forecast": Nullable(FORECAST),
}
WEBHOOK_ENDPOINT = {
    "id": identity,
    "url": text,
    "description": text,
    "types": texts,
    "status": one_of("active", "paused", "retired"),
    "pause_reason": text,
    "failing_since": either(null, moment),
    "created_by": text,
    "created_at": moment,
    "updated_at": moment,
}
WEBHOOK_DELIVERY = {
    "id": identity,
    "event_id": identity,
    "type": text,
    "status": one_of("pending", "delivered", "failed"),
    "attempts": whole,
    "next_attempt_at": either(null, moment),
    "delivered_at": either(null, moment),
    "created_at": moment,
    "log": [{"at": moment, "status": either(null, whole), "error": text, "milliseconds": whole}],
}
ATTEMPT = {
    "id": identity,
    "act": one_of("preview", "quote", "checkout", "redemption"),
    "rule": text,
    "code": text,
    "card_serial": either(null, whole),
    "customer_id": text,
    "address": either(null, text),
    "channel": one_of("api", "page"),
    "values": mapping,
    "created_at": moment,
}
BATCH = {
    "id": identity,
    "name": text,
    "description": text,
    "campaign_id": identity,
    "status": one_of("draft", "approved", "generated", "released", "active", "locked", "closed", "void"),
    "size": whole,
    "generated": whole,
    "redeemed": whole,
    "pattern": text,
    "alphabet": one_of("letters", "digits"),
    "printer_key": text,
    "first_serial": whole,
    "last_serial": whole,
    "early_attempts": whole,
    **money("credit"),
    "starts_at": either(null, moment),
    "expires_at": either(null, moment),
    "created_by": text,
    "approved_by": text,
    "created_at": moment,
    "updated_at": moment,
}
CARD = {
    "serial": whole,
    "last4": text,
    "batch_id": identity,
    "status": text,
    "customer_id": either(null, text),
    "redeemed_at": either(null, moment),
}
RANGE = {
    "batch_id": identity,
    "batch_name": text,
    "first_serial": whole,
    "last_serial": whole,
    "cards": whole,
    "status": one_of("stock", "allocated", "active", "void"),
    "locked": flag,
    "dealer_id": either(null, identity),
    "dealer_name": either(null, text),
    "expires_at": either(null, moment),
    "updated_at": moment,
}
BULK_GRANT = {
    "id": identity,
    "name": text,
    "status": one_of("draft", "discarded", "running", "done", "undoing", "undone"),
    "rows": whole,
    "progress": whole,
    **money("total"),
    "currency": one_of("OMR"),
    "credit_class": one_of("sold", "promotional", "compensation"),
    "expires_at": either(null, moment),
    "reason": text,
    "drafted_by": text,
    "created_at": moment,
    "started_at": either(null, moment),
    "finished_at": either(null, moment),
}
BULK_GRANT_CHECK = {
    "rows": whole,
    **money("total"),
    **money("already"),
    "currency": one_of("OMR"),
    "already": whole,
    "unknown": whole,
    "same_list": texts,
}
BULK_GRANT_ROW = {
    "line": whole,
    "customer_id": text,
    **money("amount"),
    "currency": one_of("OMR"),
    "status": one_of("pending", "granted", "skipped", "undone", "kept"),
    "why": one_of("", "had_it", "merged", "spent", "held", "expired", "reversed"),
    "entry_id": either(null, identity),
}
DEALER = {
    "id": identity,
    "name": text,
    "user_id": text,
    "created_by": text,
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
    # an extension
    "vat": Maybe({"basis_points": whole, **money("vat"), **money("net")}),
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
