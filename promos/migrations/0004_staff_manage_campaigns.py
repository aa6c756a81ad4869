"""Staff who issue vouchers manage campaigns in the console; auditors see them."""

from django.db import migrations

GRANTS = {"superadmin": ("view", "add", "change"), "sovereign-admin": ("view", "add", "change"), "auditor": ("view",)}


def grant(apps, schema_editor):
    kind, _ = apps.get_model("contenttypes", "ContentType").objects.get_or_create(
        app_label="promos", model="campaign"
    )
    for role, verbs in GRANTS.items():
        group, _ = apps.get_model("auth", "Group").objects.get_or_create(name=role)
        for verb in verbs:
            permission, _ = apps.get_model("auth", "Permission").objects.get_or_create(
                content_type=kind, codename=f"{verb}_campaign", defaults={"name": f"Can {verb} campaign"}
            )
            group.permissions.add(permission)


class Migration(migrations.Migration):
    dependencies = [
        ("auth", "0012_alter_user_first_name_max_length"),
        ("billing", "0001_initial"),
        ("contenttypes", "0002_remove_content_type_name"),
        ("promos", "0003_codes_belong_to_campaigns"),
    ]

    operations = [migrations.RunPython(grant, migrations.RunPython.noop)]
