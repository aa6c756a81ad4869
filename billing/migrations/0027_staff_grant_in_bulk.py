"""Superadmins and sovereign admins draft and start bulk grants in the console; auditors and approvers see them."""

from django.db import migrations

GRANTS = {
    "superadmin": ("view", "add", "change"),
    "sovereign-admin": ("view", "add", "change"),
    "auditor": ("view",),
    "approver": ("view",),
}


def grant(apps, schema_editor):
    kind, _ = apps.get_model("contenttypes", "ContentType").objects.get_or_create(
        app_label="billing", model="bulkgrant"
    )
    for role, verbs in GRANTS.items():
        group, _ = apps.get_model("auth", "Group").objects.get_or_create(name=role)
        for verb in verbs:
            permission, _ = apps.get_model("auth", "Permission").objects.get_or_create(
                content_type=kind, codename=f"{verb}_bulkgrant", defaults={"name": f"Can {verb} bulk grant"}
            )
            group.permissions.add(permission)


class Migration(migrations.Migration):
    dependencies = [("billing", "0026_bulk_grants"), ("contenttypes", "0002_remove_content_type_name")]

    operations = [migrations.RunPython(grant, migrations.RunPython.noop)]
