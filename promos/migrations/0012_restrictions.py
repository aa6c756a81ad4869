"""Campaigns, codes and the terms of batches get restrictions: one nullable column each."""

from django.contrib.postgres.operations import AddConstraintNotValid, ValidateConstraint
from django.db import migrations, models


def add(model):
    """Adds the column. Its removal takes the triggers along that read it."""
    table = f"promos_{model}"
    return migrations.SeparateDatabaseAndState(
        database_operations=[
            migrations.RunSQL(
                f"ALTER TABLE {table} ADD COLUMN restrictions jsonb NULL",
                f"ALTER TABLE {table} DROP COLUMN restrictions CASCADE",
            )
        ],
        state_operations=[
            migrations.AddField(model_name=model, name="restrictions", field=models.JSONField(blank=True, null=True))
        ],
    )


def constrain(model):
    name = f"promos_{model}_restrictions_say_one"
    condition = models.Q(
        ("restrictions__isnull", True), models.Q(("restrictions", {}), _negated=True), _connector="OR"
    )
    return (
        AddConstraintNotValid(model_name=model, constraint=models.CheckConstraint(condition=condition, name=name)),
        ValidateConstraint(model_name=model, name=name),
    )


class Migration(migrations.Migration):
    # A validation does not hold the lock that adds a column.
    atomic = False

    dependencies = [("promos", "0011_staff_see_refused_attempts")]

    operations = [add("promocode"), add("campaign"), *constrain("promocode"), *constrain("campaign")]
