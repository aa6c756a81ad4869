"""Names the apps and add-ons of organizations and orders by id, also where a request named them by slug.

The rows change in batches, each in its own transaction, so that no row stays locked for long. Both forms are valid
references for the release before this one.
"""

from django.db import migrations, transaction

_BATCH = 5_000
_BY_ID = """
COALESCE((SELECT jsonb_agg(COALESCE(i.id::text, r.reference) ORDER BY r.number)
            FROM jsonb_array_elements_text(t.{column}) WITH ORDINALITY AS r(reference, number)
            LEFT JOIN {items} i ON i.slug = r.reference), '[]')
"""
_CHANGE = """
WITH batch AS (SELECT id FROM {table} WHERE id > %s ORDER BY id LIMIT %s), changed AS (
  UPDATE {table} t SET apps = {apps}, addons = {addons}
   WHERE t.id IN (SELECT id FROM batch) AND (t.apps, t.addons) IS DISTINCT FROM ({apps}, {addons}))
SELECT id FROM batch ORDER BY id DESC LIMIT 1
"""


def name_items_by_id(apps, schema_editor):
    for table in ("billing_organization", "orders_order"):
        by_id = {
            column: _BY_ID.format(column=column, items=items)
            for column, items in (("apps", "orders_app"), ("addons", "orders_addon"))
        }
        last = "00000000-0000-0000-0000-000000000000"
        while last is not None:
            with (
                transaction.atomic(using=schema_editor.connection.alias),
                schema_editor.connection.cursor() as cursor,
            ):
                cursor.execute(_CHANGE.format(table=table, **by_id), [last, _BATCH])
                found = cursor.fetchone()
                last = found[0] if found else None


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("billing", "0001_initial"), ("orders", "0001_initial")]

    operations = [migrations.RunPython(name_items_by_id, migrations.RunPython.noop)]
