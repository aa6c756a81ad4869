"""Card payments on a real database and over HTTP against the Stripe sandbox, a process of its own."""
