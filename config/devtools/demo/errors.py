"""The error that ends the demo."""


class DemoError(Exception):
    """The demo cannot start or cannot continue; the message says why."""
