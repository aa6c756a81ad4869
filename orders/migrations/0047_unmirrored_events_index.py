"""Finds the events of a customer that wait to be mirrored, so that one job serves them all."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models
from django.db.models import Func, Q, TextField


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("orders", "0046_support_resends_events")]

    operations = [
        AddIndexConcurrently(
            model_name="stripeevent",
            index=models.Index(
                Func(
                    Func("payload", template="%(expressions)s #>> '{data,object,customer}'"),
                    Func("payload", template="%(expressions)s #>> '{data,object,id}'"),
                    "id",
                    template="left(COALESCE(%(expressions)s), 255)",
                    output_field=TextField(),
                ),
                condition=Q(mirrored_at__isnull=True),
                name="orders_stripeevent_unmirrored",
            ),
        ),
    ]
