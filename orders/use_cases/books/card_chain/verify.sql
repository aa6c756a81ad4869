-- Returns how many entries the chain of the card entries has, and its first fault: a place that is missing, a hash that
-- does not follow, an end that is not the newest place, an entry outside the chain, or a head whose entry changed.
WITH link AS (
  SELECT l.number, l.hash, e AS entry, e.id AS found, format('card entry %s (%s of %s)', l.number, e.kind,
         e.stripe_object_id) AS name,
         lag(l.number, 1, 0::bigint) OVER (ORDER BY l.number) AS before,
         lag(l.hash) OVER (ORDER BY l.number) AS previous
    FROM orders_cardlink AS l LEFT JOIN orders_cardentry AS e ON e.id = l.entry_id
), fault AS (
  SELECT 1 AS stage, before + 1 AS number, format('card entry %s is missing', before + 1) AS wrong
    FROM link WHERE number <> before + 1
  UNION ALL
  SELECT 1, number, format('card entry %s is missing', number) FROM link WHERE found IS NULL
  UNION ALL
  SELECT 1, number, name || ': its hash does not follow from it and from the entry before' FROM link
   WHERE found IS NOT NULL AND hash IS DISTINCT FROM orders_card_hash(previous, number, entry)
  UNION ALL
  SELECT 2, newest.number, CASE WHEN c.entries > newest.number THEN format('card entry %s is missing', newest.number + 1)
                                ELSE format('card entry %s is not the one that the end of the chain names', newest.number) END
    FROM (SELECT coalesce(max(number), 0) AS number FROM link) AS newest
    LEFT JOIN orders_cardchain AS c ON true
    LEFT JOIN orders_cardlink AS l ON l.number = newest.number
   WHERE coalesce(c.entries, 0) <> newest.number OR c.hash IS DISTINCT FROM l.hash
  UNION ALL
  SELECT 3, 0, format('card entry %s (%s of %s) is not in the chain', e.id, e.kind, e.stripe_object_id)
    FROM orders_cardentry AS e WHERE NOT EXISTS (SELECT FROM orders_cardlink AS l WHERE l.entry_id = e.id)
  UNION ALL
  SELECT 4, h.number, format('head %s: card entry %s %s', h.number, h.entries,
                             CASE WHEN l.number IS NULL THEN 'is missing' ELSE 'has another hash' END)
    FROM (SELECT number, ((statement::json)->>'card_entries')::bigint AS entries, (statement::json)->>'card_hash' AS hash
            FROM billing_ledgerhead) AS h
    LEFT JOIN orders_cardlink AS l ON l.number = h.entries
   WHERE h.entries > 0 AND encode(l.hash, 'hex') IS DISTINCT FROM h.hash
)
SELECT (SELECT count(*) FROM link), coalesce((SELECT wrong FROM fault ORDER BY stage, number LIMIT 1), '')
