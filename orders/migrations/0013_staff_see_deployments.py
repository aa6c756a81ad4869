"""Superadmins and auditors see provisions and app jobs in the console; superadmins retry them."""

from django.db import migrations

GRANTS = {"superadmin": ("view", "change"), "auditor": ("view",)}
NAMES = {"provision": "provision", "appjob": "app job"}


def grant(apps, schema_editor):
    for role, verbs in GRANTS.items():
        group, _ = apps.get_model("auth", "Group").objects.get_or_create(name=role)
        group.permissions.add(*(_permission(apps, model, verb) for model in NAMES for verb in verbs))


def _permission(apps, model, verb):
    kind, _ = apps.get_model("contenttypes", "ContentType").objects.get_or_create(app_label="orders", model=model)
    permission, _ = apps.get_model("auth", "Permission").objects.get_or_create(
        content_type=kind, codename=f"{verb}_{model}", defaults={"name": f"Can {verb} {NAMES[model]}"}
    )
    return permission


class Migration(migrations.Migration):
    dependencies = [("orders", "0012_payment_process")]

    operations = [migrations.RunPython(grant, migrations.RunPython.noop)]
