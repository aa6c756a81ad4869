"""Creates the roles finance and support. Support proposes corrections of credit and refunds, and releases redemptions."""

from django.db import migrations

FINANCE, SUPPORT = "finance", "support"
NAMES = {
    ("billing", "bulkgrant"): "bulk grant",
    ("billing", "customer"): "customer",
    ("billing", "hold"): "hold",
    ("billing", "invoice"): "invoice",
    ("billing", "ledgercheck"): "check of the chain",
    ("billing", "ledgerentry"): "ledger entry",
    ("billing", "ledgerhead"): "signed head",
    ("billing", "organization"): "organization",
    ("billing", "proposal"): "proposal",
    ("billing", "subscription"): "subscription",
    ("orders", "appjob"): "app job",
    ("orders", "break"): "break",
    ("orders", "order"): "order",
    ("orders", "payment"): "payment",
    ("orders", "provision"): "provision",
    ("orders", "refund"): "refund",
    ("promos", "batch"): "batch",
    ("promos", "campaign"): "campaign",
    ("promos", "card"): "card",
    ("promos", "cardrange"): "range of cards",
    ("promos", "dealer"): "dealer",
    ("promos", "promocode"): "promo code",
    ("promos", "redemption"): "redemption",
    ("promos", "refusedattempt"): "refused attempt",
}
_OF_FINANCE = {
    "billing": (
        "bulkgrant",
        "customer",
        "hold",
        "invoice",
        "ledgercheck",
        "ledgerentry",
        "ledgerhead",
        "subscription",
    ),
    "orders": ("break", "order", "payment", "refund"),
    "promos": ("batch", "campaign", "cardrange", "dealer", "promocode", "redemption"),
}
_OF_SUPPORT = {
    "billing": (
        "bulkgrant",
        "customer",
        "hold",
        "invoice",
        "ledgerentry",
        "organization",
        "proposal",
        "subscription",
    ),
    "orders": ("appjob", "order", "payment", "provision", "refund"),
    "promos": ("batch", "campaign", "card", "cardrange", "promocode", "redemption", "refusedattempt"),
}
PROPOSES, RELEASES = ("billing", "add", "proposal"), ("promos", "change", "redemption")


def _views(models):
    return [(app, "view", model) for app, names in models.items() for model in names]


GRANTS = {
    "superadmin": [PROPOSES, RELEASES],
    # Their proposals concern these.
    "approver": [("promos", "view", "campaign"), ("promos", "view", "batch"), ("orders", "view", "order")],
    FINANCE: _views(_OF_FINANCE),
    SUPPORT: [*_views(_OF_SUPPORT), PROPOSES, RELEASES],
}


def grant(apps, schema_editor):
    for role, permissions in GRANTS.items():
        group, _ = apps.get_model("auth", "Group").objects.get_or_create(name=role)
        group.permissions.add(*(_permission(apps, *each) for each in permissions))


def drop_roles(apps, schema_editor):
    groups = apps.get_model("auth", "Group").objects
    groups.filter(name__in=[FINANCE, SUPPORT]).delete()
    for role in ("superadmin", "approver"):
        for group in groups.filter(name=role):
            group.permissions.remove(*(_permission(apps, *each) for each in GRANTS[role]))


def _permission(apps, app, verb, model):
    kind, _ = apps.get_model("contenttypes", "ContentType").objects.get_or_create(app_label=app, model=model)
    permission, _ = apps.get_model("auth", "Permission").objects.get_or_create(
        content_type=kind, codename=f"{verb}_{model}", defaults={"name": f"Can {verb} {NAMES[app, model]}"}
    )
    return permission


class Migration(migrations.Migration):
    dependencies = [("billing", "0027_staff_grant_in_bulk")]

    operations = [migrations.RunPython(grant, drop_roles)]
