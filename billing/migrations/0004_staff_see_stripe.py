"""Auditors and superadmins read what is mirrored from Stripe; a superadmin sees and sets its keys.

Django makes permissions after all migrations have run, so the rows that are needed here are made here, as Django
would make them; it finds them then.
"""

from django.db import migrations

SUPERADMIN, AUDITOR = "superadmin", "auditor"
MIRRORED = {
    "charge": "charge",
    "customer": "customer",
    "dispute": "dispute",
    "event": "event",
    "invoice": "invoice",
    "paymentintent": "payment intent",
    "refund": "refund",
    "session": "session",
    "subscription": "subscription",
}
KEYS = {"processorsettings": "processor settings"}
GRANTS = {
    SUPERADMIN: [("djstripe", MIRRORED, ["view"]), ("billing", KEYS, ["view", "change"])],
    AUDITOR: [("djstripe", MIRRORED, ["view"])],
}


def _permissions(apps, role):
    content_type, permission = apps.get_model("contenttypes", "ContentType"), apps.get_model("auth", "Permission")
    for app, models, verbs in GRANTS[role]:
        for model, name in models.items():
            about, _ = content_type.objects.get_or_create(app_label=app, model=model)
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
        ("billing", "0003_staff_groups"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
    ]

    operations = [migrations.RunPython(allow, forbid)]
