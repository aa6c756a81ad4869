"""Real threads on real PostgreSQL, a connection each; every promise beside a control that breaks it on purpose."""
