-- Returns how many entries the chain of the card entries has, and the newest hash.
SELECT entries, encode(hash, 'hex') FROM orders_cardchain
