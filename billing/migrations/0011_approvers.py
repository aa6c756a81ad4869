"""Creates the role approver. It decides proposals; other staff see them, and nobody adds or deletes one by hand."""

from django.db import migrations

APPROVER = "approver"
PROPOSAL = ("billing", "proposal", "proposal")
GRANTS = {
    "superadmin": [(PROPOSAL, ("view", "change"))],
    "sovereign-admin": [(PROPOSAL, ("view",))],
    "auditor": [(PROPOSAL, ("view",))],
    APPROVER: [
        (PROPOSAL, ("view", "change")),
        (("billing", "customer", "customer"), ("view",)),
        (("promos", "promocode", "promo code"), ("view",)),
    ],
}


def grant(apps, schema_editor):
    for role, grants in GRANTS.items():
        group, _ = apps.get_model("auth", "Group").objects.get_or_create(name=role)
        group.permissions.add(*(_permission(apps, *model, verb) for model, verbs in grants for verb in verbs))


def _permission(apps, app, model, name, verb):
    kind, _ = apps.get_model("contenttypes", "ContentType").objects.get_or_create(app_label=app, model=model)
    permission, _ = apps.get_model("auth", "Permission").objects.get_or_create(
        content_type=kind, codename=f"{verb}_{model}", defaults={"name": f"Can {verb} {name}"}
    )
    return permission


def drop_role(apps, schema_editor):
    apps.get_model("auth", "Group").objects.filter(name=APPROVER).delete()


class Migration(migrations.Migration):
    dependencies = [("billing", "0010_proposals")]

    operations = [migrations.RunPython(grant, drop_role)]
