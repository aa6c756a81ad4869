"""Superadmins and sovereign admins see and close alerts in the console; auditors see them."""

from django.db import migrations

GRANTS = {"superadmin": ("view", "change"), "sovereign-admin": ("view", "change"), "auditor": ("view",)}


def grant(apps, schema_editor):
    kind, _ = apps.get_model("contenttypes", "ContentType").objects.get_or_create(app_label="promos", model="alert")
    for role, verbs in GRANTS.items():
        group, _ = apps.get_model("auth", "Group").objects.get_or_create(name=role)
        for verb in verbs:
            permission, _ = apps.get_model("auth", "Permission").objects.get_or_create(
                content_type=kind, codename=f"{verb}_alert", defaults={"name": f"Can {verb} alert"}
            )
            group.permissions.add(permission)


class Migration(migrations.Migration):
    dependencies = [("promos", "0017_alerts")]

    operations = [migrations.RunPython(grant, migrations.RunPython.noop)]
