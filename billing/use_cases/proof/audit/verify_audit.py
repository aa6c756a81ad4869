from pathlib import Path

from billing.models import AuditEntry, AuditLink
from billing.queries import cursor_without_timeout

_CHAIN = (Path(__file__).parent / "verify_audit.sql").read_text(encoding="utf-8")
_HEADS = (Path(__file__).parent / "verify_heads.sql").read_text(encoding="utf-8")


def verify_audit_chain() -> tuple[int, str]:
    """Recomputes the hash of each audit entry, and compares the chain with its end and with the signed heads.

    Returns: how many entries the chain has, and the first fault; empty if there is none.
    """
    with cursor_without_timeout() as cursor:
        # The entries of the caller's own transaction join the chain now, not at its end.
        cursor.execute("SELECT billing_chain_audit_now()")
        cursor.execute(_CHAIN)
        entries, missing, lost, wrong, end, is_end = cursor.fetchone()
    faults = [(number, "is missing") for number in (missing, lost) if number]
    if wrong:
        faults.append((wrong, "its hash does not follow from it and from the entry before"))
    if faults:
        return entries, _fault(*min(faults))
    if end > entries:
        return entries, f"audit entry {entries + 1} is missing"
    if end < entries or not is_end:
        return entries, f"audit entry {entries} is not the one that the end of the chain names"
    return entries, _find_unchained() or _check_heads()


def _fault(number: int, wrong: str) -> str:
    link = AuditLink.objects.filter(number=number).select_related("entry").first()
    entry = AuditEntry.objects.filter(link=link).first() if link else None
    name = f"audit entry {number}"
    return f"{name} ({entry.action} of {entry.object_id}): {wrong}" if entry else f"{name} {wrong}"


def _find_unchained() -> str:
    found = AuditEntry.objects.filter(link=None).order_by("created_at", "pk").first()
    return f"audit entry {found.pk} ({found.action} of {found.object_id}) is not in the chain" if found else ""


def _check_heads() -> str:
    with cursor_without_timeout() as cursor:
        cursor.execute(_HEADS)
        fault = cursor.fetchone()
    if fault is None:
        return ""
    number, entry, is_missing = fault
    return f"head {number}: audit entry {entry} {'is missing' if is_missing else 'has another hash'}"
