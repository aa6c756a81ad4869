from django.db import migrations, models
from django.db.models import Q
from django.db.models.fields.json import KeyTextTransform


def rename(model: str, before: models.UniqueConstraint, after: models.UniqueConstraint) -> migrations.RunSQL:
    """A unique constraint with a condition is an index, and renaming it blocks neither reads nor writes."""
    return migrations.RunSQL(
        f"ALTER INDEX {before.name} RENAME TO {after.name}",
        f"ALTER INDEX {after.name} RENAME TO {before.name}",
        state_operations=[
            migrations.RemoveConstraint(model, before.name),
            migrations.AddConstraint(model, after),
        ],
    )


def open_break(name: str) -> models.UniqueConstraint:
    return models.UniqueConstraint(fields=["kind", "object_id"], condition=Q(closed_at__isnull=True), name=name)


def event_of_tenant(name: str) -> models.UniqueConstraint:
    return models.UniqueConstraint(
        fields=["tenant_id", "type"], condition=Q(type__in=["tenant.created", "tenant.deleted"]), name=name
    )


def event_of_month(name: str) -> models.UniqueConstraint:
    return models.UniqueConstraint(
        "type",
        KeyTextTransform("subscription_id", "data"),
        KeyTextTransform("period_start", "data"),
        condition=Q(type__in=["subscription.renewed", "subscription.past_due", "subscription.canceled"]),
        name=name,
    )


class Migration(migrations.Migration):
    dependencies = [("orders", "0015_refund_beyond_order")]

    operations = [
        rename("break", open_break("orders_break_told_once"), open_break("orders_break_open_once")),
        rename(
            "outboxevent",
            event_of_tenant("orders_event_tenant_told_once"),
            event_of_tenant("orders_event_tenant_once"),
        ),
        rename(
            "outboxevent",
            event_of_month("orders_event_subscription_told_once"),
            event_of_month("orders_event_subscription_month_once"),
        ),
    ]
