"""The rules that all of Stripe's API shares: forms, parameters, idempotency keys, expansion and errors."""
