"""The index by which failed jobs are counted: finished jobs stay for weeks, and failed ones are few among them."""

from django.db import migrations


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("orders", "0017_dependency_uses"),
        ("procrastinate", "0041_post_retry_failed_job"),
    ]

    operations = [
        migrations.RunSQL(
            "CREATE INDEX CONCURRENTLY IF NOT EXISTS orders_failed_jobs"
            " ON procrastinate_jobs (queue_name, id) WHERE status = 'failed'",
            "DROP INDEX CONCURRENTLY IF EXISTS orders_failed_jobs",
        ),
    ]
