"""Superadmins, sovereign admins and auditors see refused attempts in the console."""

from django.db import migrations

ROLES = ("superadmin", "sovereign-admin", "auditor")


def grant(apps, schema_editor):
    kind, _ = apps.get_model("contenttypes", "ContentType").objects.get_or_create(
        app_label="promos", model="refusedattempt"
    )
    permission, _ = apps.get_model("auth", "Permission").objects.get_or_create(
        content_type=kind, codename="view_refusedattempt", defaults={"name": "Can view refused attempt"}
    )
    for role in ROLES:
        group, _ = apps.get_model("auth", "Group").objects.get_or_create(name=role)
        group.permissions.add(permission)


class Migration(migrations.Migration):
    dependencies = [("promos", "0010_refused_attempts")]

    operations = [migrations.RunPython(grant, migrations.RunPython.noop)]
