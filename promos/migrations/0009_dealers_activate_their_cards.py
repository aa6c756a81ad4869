"""Creates the role dealer, and lets staff see ranges of cards and keep dealers."""

from django.db import migrations

DEALER = "dealer"
KEEP = {"cardrange": ("view", "change"), "dealer": ("view", "add", "change")}
GRANTS = {
    "superadmin": KEEP,
    "sovereign-admin": KEEP,
    "auditor": {"cardrange": ("view",), "dealer": ("view",)},
    DEALER: {"cardrange": ("view", "change")},
}
NAMES = {"cardrange": "range of cards", "dealer": "dealer"}


def grant(apps, schema_editor):
    for role, models in GRANTS.items():
        group, _ = apps.get_model("auth", "Group").objects.get_or_create(name=role)
        group.permissions.add(*(_permission(apps, model, verb) for model, verbs in models.items() for verb in verbs))


def _permission(apps, model, verb):
    kind, _ = apps.get_model("contenttypes", "ContentType").objects.get_or_create(app_label="promos", model=model)
    permission, _ = apps.get_model("auth", "Permission").objects.get_or_create(
        content_type=kind, codename=f"{verb}_{model}", defaults={"name": f"Can {verb} {NAMES[model]}"}
    )
    return permission


def drop_role(apps, schema_editor):
    apps.get_model("auth", "Group").objects.filter(name=DEALER).delete()


class Migration(migrations.Migration):
    dependencies = [("promos", "0008_ranges_of_cards")]

    operations = [migrations.RunPython(grant, drop_role)]
