"""Support sees events, and sends one again that the broker has refused."""

from django.db import migrations

VERBS = ("view", "change")


def grant(apps, schema_editor):
    group, _ = apps.get_model("auth", "Group").objects.get_or_create(name="support")
    group.permissions.add(*(_permission(apps, verb) for verb in VERBS))


def take_back(apps, schema_editor):
    for group in apps.get_model("auth", "Group").objects.filter(name="support"):
        group.permissions.remove(*(_permission(apps, verb) for verb in VERBS))


def _permission(apps, verb):
    kind, _ = apps.get_model("contenttypes", "ContentType").objects.get_or_create(
        app_label="orders", model="outboxevent"
    )
    permission, _ = apps.get_model("auth", "Permission").objects.get_or_create(
        content_type=kind, codename=f"{verb}_outboxevent", defaults={"name": f"Can {verb} outbox event"}
    )
    return permission


class Migration(migrations.Migration):
    dependencies = [("orders", "0045_console_indexes")]

    operations = [migrations.RunPython(grant, take_back)]
