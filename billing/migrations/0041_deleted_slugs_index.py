"""Finds deleted organizations by their address, as the unique index finds the live one."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("billing", "0040_moves_of_credit")]

    operations = [
        AddIndexConcurrently(
            model_name="organization",
            index=models.Index(
                fields=["slug"], condition=models.Q(status="deleted"), name="billing_organization_old_slug"
            ),
        ),
    ]
