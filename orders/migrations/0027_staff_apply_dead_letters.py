"""Superadmins apply events that were set aside again; auditors see them."""

from django.db import migrations

GRANTS = {"superadmin": ("view", "change"), "auditor": ("view",)}


def grant(apps, schema_editor):
    for role, verbs in GRANTS.items():
        group, _ = apps.get_model("auth", "Group").objects.get_or_create(name=role)
        group.permissions.add(*(_permission(apps, verb) for verb in verbs))


def _permission(apps, verb):
    kind, _ = apps.get_model("contenttypes", "ContentType").objects.get_or_create(
        app_label="orders", model="deadletter"
    )
    permission, _ = apps.get_model("auth", "Permission").objects.get_or_create(
        content_type=kind, codename=f"{verb}_deadletter", defaults={"name": f"Can {verb} dead letter"}
    )
    return permission


class Migration(migrations.Migration):
    dependencies = [("orders", "0026_dead_letters")]

    operations = [migrations.RunPython(grant, migrations.RunPython.noop)]
