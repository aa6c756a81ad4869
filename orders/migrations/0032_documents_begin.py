"""The documents begin with the first entry: the next round issues those of all that was paid so far."""

from uuid import UUID

from django.db import migrations


def begin(apps, schema_editor):
    apps.get_model("orders", "DocumentCursor").objects.get_or_create(id=1, defaults={"position": UUID(int=0)})


class Migration(migrations.Migration):
    dependencies = [("orders", "0031_documents")]

    operations = [migrations.RunPython(begin, migrations.RunPython.noop)]
