"""Organizations with their members, subscriptions and invoices."""
