"""What the launcher says when it cannot do its work."""


class EmbeddedPostgresError(RuntimeError):
    """The embedded PostgreSQL could not be found, started or stopped; the message says why and what helps."""
