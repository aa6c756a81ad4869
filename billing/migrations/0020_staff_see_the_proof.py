"""Superadmins and auditors see signed heads and the results of checks."""

from django.db import migrations

MODELS = {"ledgerhead": "signed head", "ledgercheck": "check of the chain"}


def grant(apps, schema_editor):
    for role in ("superadmin", "auditor"):
        group, _ = apps.get_model("auth", "Group").objects.get_or_create(name=role)
        group.permissions.add(*(_permission(apps, model, name) for model, name in MODELS.items()))


def _permission(apps, model, name):
    kind, _ = apps.get_model("contenttypes", "ContentType").objects.get_or_create(app_label="billing", model=model)
    permission, _ = apps.get_model("auth", "Permission").objects.get_or_create(
        content_type=kind, codename=f"view_{model}", defaults={"name": f"Can view {name}"}
    )
    return permission


class Migration(migrations.Migration):
    dependencies = [("billing", "0019_ledger_heads")]

    operations = [migrations.RunPython(grant, migrations.RunPython.noop)]
