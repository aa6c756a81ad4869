-- The texts that the hashes of the card entries cover, in the order of their chain.
SELECT orders_card_text(lag(l.hash) OVER (ORDER BY l.number), l.number, e)
  FROM orders_cardlink l JOIN orders_cardentry e ON e.id = l.entry_id ORDER BY l.number
