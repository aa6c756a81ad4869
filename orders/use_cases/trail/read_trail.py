"""Reads the file of a move, and verifies all of it."""

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, ZipFile

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from billing.models import CreditClass
from billing.use_cases.ledger.post_entry import MOVED_OUT
from billing.use_cases.proof.check_evidence import Fault, check_entries
from orders.errors import TrailRefused
from orders.use_cases.trail.export_trail import SIGNATURE, STATEMENT

_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class MovedCredit:
    """Credit of one class and expiry that a move took out, smallest unit."""

    credit_class: str
    expires_at: datetime | None
    amount_minor: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Trail:
    """A verified file: its move, where that leads, and the credit that it took out."""

    move_id: str
    from_domain: str
    user_id: str
    to_domain: str
    to_user_id: str
    currency: str
    credit: tuple[MovedCredit, ...]
    entries: int
    sha256: str

    @property
    def credit_minor(self) -> int:
        return sum(each.amount_minor for each in self.credit)


def read_trail(path: Path, *, public_key: str) -> Trail:
    """Verifies the signature, each file's digest, the chain of entries, and that they took out what the move says.

    Args: public_key: the other Sovereign's, as it published it: 64 hexadecimal digits.
    Raises: TrailRefused; OSError, if there is no file.
    """
    try:
        with ZipFile(path) as pack:
            facts = _signed_facts(pack, public_key)
            _check_files(pack, facts["files"])
            newest = {(account, version): digest for account, version, digest in facts["newest_entries"]}
            entries, _ = check_entries(pack, newest)
            trail = _trail(facts, entries=entries, sha256=_digest(path))
            if _taken_out(pack, trail.move_id) != trail.credit_minor:
                raise Fault("the entries took out another amount than the move says")
    except (BadZipFile, InvalidSignature, KeyError, TypeError, ValueError, Fault) as error:
        raise TrailRefused from error
    return trail


def _signed_facts(pack: ZipFile, public_key: str) -> dict[str, Any]:
    statement = pack.read(STATEMENT)
    Ed25519PublicKey.from_public_bytes(bytes.fromhex(public_key)).verify(
        bytes.fromhex(pack.read(SIGNATURE).decode()), statement
    )
    facts: dict[str, Any] = json.loads(statement)
    return facts


def _check_files(pack: ZipFile, digests: dict[str, str]) -> None:
    if sorted(pack.namelist()) != sorted([*digests, STATEMENT, SIGNATURE]):
        raise Fault("the file has other parts than its statement names")
    for name, digest in digests.items():
        with pack.open(name) as file:
            found = hashlib.sha256()
            while chunk := file.read(_CHUNK):
                found.update(chunk)
        if found.hexdigest() != digest:
            raise Fault(f"{name} is not what was signed")


def _taken_out(pack: ZipFile, move_id: str) -> int:
    """Returns the amount of the move's entry, positive; 0 if there was no credit."""
    with pack.open("entries.jsonl") as lines:
        for line in lines:
            entry = json.loads(line)
            if entry[7] == f"{MOVED_OUT}{move_id}":
                return -int(entry[5])
    return 0


def _trail(facts: dict[str, Any], *, entries: int, sha256: str) -> Trail:
    return Trail(
        move_id=facts["move"],
        from_domain=facts["from"],
        user_id=facts["user_id"],
        to_domain=facts["to"],
        to_user_id=facts["to_user_id"],
        currency=facts["currency"],
        credit=tuple(
            MovedCredit(
                credit_class=CreditClass(each["class"]),
                expires_at=datetime.fromisoformat(each["expires_at"]) if each["expires_at"] else None,
                amount_minor=each["amount_minor"],
            )
            for each in facts["credit"]
        ),
        entries=entries,
        sha256=sha256,
    )


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
