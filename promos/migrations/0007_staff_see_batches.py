"""Superadmins and sovereign admins run batches of cards in the console; auditors see them."""

from django.db import migrations

RUN = {"batch": ("view", "add", "change"), "card": ("view",)}
GRANTS = {"superadmin": RUN, "sovereign-admin": RUN, "auditor": {"batch": ("view",), "card": ("view",)}}


def grant(apps, schema_editor):
    for role, models in GRANTS.items():
        group, _ = apps.get_model("auth", "Group").objects.get_or_create(name=role)
        group.permissions.add(*(_permission(apps, model, verb) for model, verbs in models.items() for verb in verbs))


def _permission(apps, model, verb):
    kind, _ = apps.get_model("contenttypes", "ContentType").objects.get_or_create(app_label="promos", model=model)
    permission, _ = apps.get_model("auth", "Permission").objects.get_or_create(
        content_type=kind, codename=f"{verb}_{model}", defaults={"name": f"Can {verb} {model}"}
    )
    return permission


class Migration(migrations.Migration):
    dependencies = [("promos", "0006_batches")]

    operations = [migrations.RunPython(grant, migrations.RunPython.noop)]
