"""Staff close events that were set aside, and events that the broker refused.

No constraint ties the new columns to the old ones: the earlier release, which may still run or run again, knows only
those.
"""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("orders", "0047_unmirrored_events_index")]

    operations = [
        migrations.AddField("deadletter", "closed_at", models.DateTimeField(blank=True, null=True)),
        migrations.AddField("outboxevent", "closed_at", models.DateTimeField(blank=True, null=True)),
    ]
