"""Auditors and superadmins read card payments; a superadmin refunds, and closes what does not add up.

The permissions' rows are made here as Django would make them after the migrations; it finds them then.
"""

from django.db import migrations

SUPERADMIN, AUDITOR = "superadmin", "auditor"
SEEN = {"payment": "payment", "refund": "refund", "stripeevent": "stripe event", "break": "break"}
GRANTS = {
    SUPERADMIN: [(SEEN, ["view"]), ({"refund": "refund"}, ["add"]), ({"break": "break"}, ["change"])],
    AUDITOR: [(SEEN, ["view"])],
}


def _permissions(apps, role):
    content_type, permission = apps.get_model("contenttypes", "ContentType"), apps.get_model("auth", "Permission")
    for models, verbs in GRANTS[role]:
        for model, name in models.items():
            about, _ = content_type.objects.get_or_create(app_label="orders", model=model)
            for verb in verbs:
                yield permission.objects.get_or_create(
                    content_type=about, codename=f"{verb}_{model}", defaults={"name": f"Can {verb} {name}"}
                )[0]


def allow(apps, schema_editor):
    for role in GRANTS:
        apps.get_model("auth", "Group").objects.get(name=role).permissions.add(*_permissions(apps, role))


def forbid(apps, schema_editor):
    for role in GRANTS:
        apps.get_model("auth", "Group").objects.get(name=role).permissions.remove(*_permissions(apps, role))


class Migration(migrations.Migration):
    dependencies = [
        ("orders", "0002_orders_are_placed"),
        ("billing", "0004_staff_see_stripe"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
    ]

    operations = [migrations.RunPython(allow, forbid)]
