-- The roll-forwards of a period: what each book had before its start, and each line of what moved it. Parameters:
-- start, finish, and since: nothing before it is read, so that what each book had then is to be added to its opening.
-- The line `books` is not a movement: it is what the accounts themselves say of the end of the period.
WITH entry AS (
  SELECT a.currency, e.amount_minor, e.created_at,
         CASE e.kind
           WHEN 'grant' THEN CASE WHEN e.reason LIKE 'proration:%%' THEN 'granted_unused_month'
                                  ELSE 'granted_' || coalesce(nullif(e.credit_class, ''), 'promotional') END
           WHEN 'spend' THEN 'spent'
           WHEN 'expiry' THEN 'expired'
           WHEN 'reversal' THEN 'reversed'
           ELSE CASE WHEN e.reason LIKE 'transfer:%%' THEN 'transferred'
                     WHEN e.reason LIKE 'dispute:%%' THEN 'taken_back' ELSE 'adjusted' END
         END AS line
    FROM billing_ledgerentry e JOIN billing_account a ON a.customer_id = e.account_id
   WHERE e.created_at >= %(since)s
), card AS (
  SELECT currency, created_at, kind, amount_minor FROM orders_cardentry WHERE created_at >= %(since)s
), moved AS (
  SELECT 'credit' AS book, currency, created_at, line, amount_minor FROM entry
  UNION ALL
  SELECT 'held', a.currency, h.created_at, 'placed', h.amount_minor
    FROM billing_hold h JOIN billing_account a ON a.customer_id = h.account_id WHERE h.created_at >= %(since)s
  UNION ALL
  SELECT 'held', a.currency, h.closed_at, h.status, -h.amount_minor
    FROM billing_hold h JOIN billing_account a ON a.customer_id = h.account_id WHERE h.closed_at >= %(since)s
  UNION ALL
  SELECT 'card', currency, created_at, kind, amount_minor FROM card WHERE kind NOT IN ('owed', 'written_off')
  UNION ALL
  SELECT 'disputed', currency, created_at, kind, -amount_minor FROM card
   WHERE kind IN ('dispute', 'dispute_won', 'owed')
  UNION ALL
  SELECT 'disputed', currency, created_at, line, amount_minor FROM entry WHERE line = 'taken_back'
  UNION ALL
  SELECT 'receivable', currency, created_at, kind, amount_minor FROM card WHERE kind IN ('owed', 'written_off')
), later AS (
  SELECT book, currency, sum(amount_minor) AS amount_minor FROM moved WHERE created_at >= %(finish)s GROUP BY 1, 2
)
SELECT book, currency, CASE WHEN created_at < %(start)s THEN 'opening' ELSE line END AS line, sum(amount_minor)::bigint
  FROM moved WHERE created_at < %(finish)s GROUP BY 1, 2, 3
UNION ALL
SELECT 'credit', a.currency, 'books',
       (sum(balance_minor) - coalesce((SELECT amount_minor FROM later WHERE book = 'credit' AND currency = a.currency), 0))::bigint
  FROM billing_account a GROUP BY a.currency
UNION ALL
SELECT 'held', a.currency, 'books',
       (sum(held_minor) - coalesce((SELECT amount_minor FROM later WHERE book = 'held' AND currency = a.currency), 0))::bigint
  FROM billing_account a GROUP BY a.currency
 ORDER BY 1, 2, 3
