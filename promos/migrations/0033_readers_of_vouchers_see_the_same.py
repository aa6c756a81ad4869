"""Lets all who read vouchers see cards, ranges and dealers: an approver approves batches and the activation of ranges."""

from django.db import migrations

GRANTS = {
    "approver": {"card": "card", "cardrange": "range of cards", "dealer": "dealer"},
    "finance": {"card": "card"},
    "support": {"dealer": "dealer"},
}


def grant(apps, schema_editor):
    for role, models in GRANTS.items():
        group, _ = apps.get_model("auth", "Group").objects.get_or_create(name=role)
        group.permissions.add(*(_permission(apps, *each) for each in models.items()))


def take_back(apps, schema_editor):
    for role, models in GRANTS.items():
        for group in apps.get_model("auth", "Group").objects.filter(name=role):
            group.permissions.remove(*(_permission(apps, *each) for each in models.items()))


def _permission(apps, model, name):
    kind, _ = apps.get_model("contenttypes", "ContentType").objects.get_or_create(app_label="promos", model=model)
    permission, _ = apps.get_model("auth", "Permission").objects.get_or_create(
        content_type=kind, codename=f"view_{model}", defaults={"name": f"Can view {name}"}
    )
    return permission


class Migration(migrations.Migration):
    dependencies = [("billing", "0028_finance_and_support"), ("promos", "0032_state_indexes")]

    operations = [migrations.RunPython(grant, take_back)]
