"""Real threads on a real PostgreSQL, each with a connection. Beside each test stands a control, which must fail."""
