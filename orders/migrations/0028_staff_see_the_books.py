"""Finance and auditors see card entries, closed months, posting rules and VAT rates; finance changes them."""

from django.db import migrations

NAMES = {
    "cardentry": "card entry",
    "closedmonth": "closed month",
    "postingrule": "posting rule",
    "vatrate": "VAT rate",
}
CHANGES = (("add", "closedmonth"), ("change", "postingrule"), ("add", "vatrate"))


def grant(apps, schema_editor):
    views = [("view", model) for model in NAMES]
    for role, granted in {
        "superadmin": [*views, *CHANGES],
        "finance": [*views, *CHANGES],
        "auditor": views,
    }.items():
        group, _ = apps.get_model("auth", "Group").objects.get_or_create(name=role)
        group.permissions.add(*(_permission(apps, verb, model) for verb, model in granted))


def _permission(apps, verb, model):
    kind, _ = apps.get_model("contenttypes", "ContentType").objects.get_or_create(app_label="orders", model=model)
    permission, _ = apps.get_model("auth", "Permission").objects.get_or_create(
        content_type=kind, codename=f"{verb}_{model}", defaults={"name": f"Can {verb} {NAMES[model]}"}
    )
    return permission


class Migration(migrations.Migration):
    dependencies = [("billing", "0028_finance_and_support"), ("orders", "0027_staff_apply_dead_letters")]

    operations = [migrations.RunPython(grant, migrations.RunPython.noop)]
