"""References of clients to catalog items and organizations: an id, or a slug."""

from uuid import UUID

_SHORTEST_UUID = 32


def parse_id(reference: str) -> UUID | None:
    """Returns the reference as an id, or None for a slug."""
    if len(reference) < _SHORTEST_UUID:
        # Most references are slugs, and what UUID raises for one costs more than all else about it.
        return None
    try:
        return UUID(reference)
    except ValueError:
        return None


def normal_reference(reference: str) -> str:
    """Returns an id in its usual form, and a slug as it is."""
    identity = parse_id(reference)
    return reference if identity is None else str(identity)
