"""The parts of a database's schema, to compare two databases by."""

from django.db import connection

# Everything that makes up the schema, as text.
SCHEMA = """
SELECT 'column', c.oid::regclass::text, format('%s %s %s %s %s', a.attnum, a.attname,
         format_type(a.atttypid, a.atttypmod), a.attnotnull, pg_get_expr(d.adbin, d.adrelid))
  FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
  LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
 WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace
UNION ALL
SELECT 'table', oid::regclass::text, format('%s %s', relpersistence, reloptions) FROM pg_class
 WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace
UNION ALL
SELECT 'constraint', conname, pg_get_constraintdef(oid) FROM pg_constraint
 WHERE connamespace = 'public'::regnamespace
UNION ALL
SELECT 'index', indexrelid::regclass::text, pg_get_indexdef(indexrelid) FROM pg_index
 WHERE indrelid::regclass::text ~ '^(billing|promos|orders)_'
UNION ALL
SELECT 'trigger', tgname, pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal
UNION ALL
SELECT 'function', oid::regprocedure::text,
       format('%s %s %s %s', pg_get_function_result(oid), provolatile, proconfig, prosrc)
  FROM pg_proc WHERE pronamespace = 'public'::regnamespace
UNION ALL
SELECT 'view', oid::regclass::text, pg_get_viewdef(oid) FROM pg_class
 WHERE relkind = 'v' AND relnamespace = 'public'::regnamespace
UNION ALL
SELECT 'rule', rulename, pg_get_ruledef(oid) FROM pg_rewrite
 WHERE rulename <> '_RETURN' AND ev_class::regclass::text ~ '^(billing|promos|orders)_'
UNION ALL
SELECT 'type', oid::regtype::text, typtype::text FROM pg_type WHERE typnamespace = 'public'::regnamespace
"""


def rows(statement: str) -> list[tuple[str, ...]]:
    """The rows of a query, as text."""
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return [tuple(map(str, row)) for row in cursor.fetchall()]
