"""The ways of statements to PostgreSQL: shared batches, SQL that is compiled once, and a replica for reading."""
