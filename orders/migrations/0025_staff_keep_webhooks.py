"""Superadmins keep the endpoints of subscribers; auditors see them and their deliveries."""

from django.db import migrations

GRANTS = {
    "superadmin": {"webhookendpoint": ("view", "add", "change"), "webhookdelivery": ("view", "change")},
    "auditor": {"webhookendpoint": ("view",), "webhookdelivery": ("view",)},
}
NAMES = {"webhookendpoint": "webhook endpoint", "webhookdelivery": "webhook delivery"}


def grant(apps, schema_editor):
    for role, models in GRANTS.items():
        group, _ = apps.get_model("auth", "Group").objects.get_or_create(name=role)
        group.permissions.add(*(_permission(apps, model, verb) for model, verbs in models.items() for verb in verbs))


def _permission(apps, model, verb):
    kind, _ = apps.get_model("contenttypes", "ContentType").objects.get_or_create(app_label="orders", model=model)
    permission, _ = apps.get_model("auth", "Permission").objects.get_or_create(
        content_type=kind, codename=f"{verb}_{model}", defaults={"name": f"Can {verb} {NAMES[model]}"}
    )
    return permission


class Migration(migrations.Migration):
    dependencies = [("orders", "0024_webhooks")]

    operations = [migrations.RunPython(grant, migrations.RunPython.noop)]
