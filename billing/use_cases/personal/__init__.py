"""A person's own sessions, mails and data."""
