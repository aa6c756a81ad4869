"""The errors of the launcher."""


class EmbeddedPostgresError(RuntimeError):
    """The embedded PostgreSQL could not be found, started or stopped; the message says why and what helps."""
