"""Finance, auditors and support see invoices, receipts and credit notes."""

from django.db import migrations


def grant(apps, schema_editor):
    kind, _ = apps.get_model("contenttypes", "ContentType").objects.get_or_create(
        app_label="orders", model="document"
    )
    permission, _ = apps.get_model("auth", "Permission").objects.get_or_create(
        content_type=kind, codename="view_document", defaults={"name": "Can view document"}
    )
    for role in ("superadmin", "finance", "auditor", "support"):
        group, _ = apps.get_model("auth", "Group").objects.get_or_create(name=role)
        group.permissions.add(permission)


class Migration(migrations.Migration):
    dependencies = [("orders", "0032_documents_begin")]

    operations = [migrations.RunPython(grant, migrations.RunPython.noop)]
