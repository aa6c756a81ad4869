"""The three groups of staff and what each may do.

A group's name is its role's (`billing.actor`). Django makes permissions after all migrations have run, so the
rows that are needed here are made here, as Django would make them; it finds them then. They name models of
every app, by label alone.
"""

from django.db import migrations

SUPERADMIN, SOVEREIGN_ADMIN, AUDITOR = "superadmin", "sovereign-admin", "auditor"

RECORDS = {
    "billing": {
        "auditentry": "audit entry",
        "customer": "customer",
        "hold": "hold",
        "invoice": "invoice",
        "ledgerentry": "ledger entry",
        "organization": "organization",
        "subscription": "subscription",
    },
    "promos": {"promocode": "promo code", "redemption": "redemption"},
    "orders": {"order": "order", "outboxevent": "outbox event"},
    "procrastinate": {"procrastinatejob": "procrastinate job"},
}
CATALOG = {"orders": {"plan": "plan", "addon": "add-on", "app": "app", "industry": "industry", "bundle": "bundle"}}
CODES = {"promos": {"promocode": "promo code"}}
# A correction of a balance is a ledger entry; one is never changed.
CORRECTIONS = {"billing": {"ledgerentry": "ledger entry"}}
USERS = {"billing": {"user": "user"}}

GRANTS = {
    SUPERADMIN: [
        (RECORDS, ["view"]),
        (CODES, ["add", "change"]),
        (CORRECTIONS, ["add"]),
        (CATALOG, ["view", "add", "change"]),
        (USERS, ["view", "add", "change"]),
    ],
    SOVEREIGN_ADMIN: [(CODES, ["view", "add", "change"])],
    AUDITOR: [(RECORDS, ["view"])],
}


def make_groups(apps, schema_editor):
    group_model = apps.get_model("auth", "Group")
    for role, grants in GRANTS.items():
        group, _ = group_model.objects.get_or_create(name=role)
        group.permissions.set(
            _permission(apps, app, model, name, verb)
            for models, verbs in grants
            for app, names in models.items()
            for model, name in names.items()
            for verb in verbs
        )


def _permission(apps, app, model, name, verb):
    content_type, _ = apps.get_model("contenttypes", "ContentType").objects.get_or_create(app_label=app, model=model)
    permission, _ = apps.get_model("auth", "Permission").objects.get_or_create(
        content_type=content_type, codename=f"{verb}_{model}", defaults={"name": f"Can {verb} {name}"}
    )
    return permission


def drop_groups(apps, schema_editor):
    apps.get_model("auth", "Group").objects.filter(name__in=GRANTS).delete()


class Migration(migrations.Migration):
    dependencies = [
        ("billing", "0002_ledger_keeps_itself"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
    ]

    operations = [migrations.RunPython(make_groups, drop_groups)]
