"""A customer's account: the balance and what changed it, orders, organizations with their subscriptions, sessions."""
