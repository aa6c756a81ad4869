"""Three PostgreSQL nodes under Patroni behind HAProxy and PgBouncer, whose primary fails in several ways."""
