"""The encrypted file of a secret batch: written with its cards, handed out once under two people, then deleted.

The printer's public key is one of age (https://age-encryption.org). Only the printer can read the file.
"""

import hashlib
from collections.abc import Sequence

import pyrage
from django.db import transaction
from django.utils import timezone
from pyrage import x25519

from billing.actor import Actor
from billing.models import Proposal
from billing.use_cases.proposals.kinds import Arguments, Difference, Kind, Result
from billing.use_cases.proposals.propose import propose
from billing.use_cases.record_audit import record_audit
from promos.errors import BatchStateRefuses, PrinterFileHandedOut, PrinterFileNotYours
from promos.locks import lock_batch
from promos.models import Batch, PrinterFile

# The file can be handed out until customers can redeem the cards.
BEFORE_USE = (Batch.Status.GENERATED, Batch.Status.RELEASED)


def is_printer_key(text: str) -> bool:
    """Returns whether the text is a public key of age."""
    try:
        x25519.Recipient.from_str(text)
    except pyrage.RecipientError:
        return False
    return True


def store_printer_file(batch: Batch, lines: Sequence[str]) -> PrinterFile:
    """Encrypts the lines to the printer's key, and stores them. Transaction: joins that of the batch's cards."""
    content = pyrage.encrypt("".join(lines).encode(), [x25519.Recipient.from_str(batch.printer_key)])
    digest = hashlib.sha256(content).hexdigest()
    return PrinterFile.objects.create(batch=batch, content=content, size=len(content), digest=digest)


def propose_printer_file(*, batch: Batch, by: Actor, reason: str) -> Proposal:
    """Proposes to hand the printer's file to its proposer. Somebody else has to approve it, whatever it is worth.

    Raises: PrinterFileHandedOut; BatchStateRefuses where there is none, or the batch is in use; ReasonRequired.
    Locks: the advisory lock of the batch's terms (exclusive), Batch. Transaction: owns. Idempotency: an open proposal
    is returned.
    """
    return propose(PRINTER_FILE, {"batch_id": batch.pk}, why=reason, by=by)


def download_printer_file(*, batch: Batch, by: Actor) -> PrinterFile:
    """Returns the file for the person that it was handed to. Each download is audited.

    Raises: PrinterFileNotYours, BatchStateRefuses where there is none, or it is deleted.
    Locks: as `propose_printer_file`. Transaction: owns.
    """
    with transaction.atomic():
        # Races with the batch's activation, which deletes the content.
        lock_batch(batch_id=batch.pk)
        file = PrinterFile.objects.filter(batch=batch).first()
        if file is not None and file.handed_to != by.user_id:
            raise PrinterFileNotYours
        if file is None or not file.content:
            raise BatchStateRefuses
        record_audit(
            action="batch.printer_file_downloaded",
            object_type="batch",
            object_id=batch.promo_code.code,
            by=by,
            changes={"sha256": [None, file.digest]},
        )
        return file


def delete_content(batch: Batch) -> None:
    """Deletes the content of the printer's file, if there is one. Transaction: joins."""
    PrinterFile.objects.filter(batch=batch).update(content=b"")


def _lock_state(arguments: Arguments) -> dict[str, str]:
    batch = lock_batch(batch_id=arguments["batch_id"])
    file = PrinterFile.objects.filter(batch=batch).first()
    return {
        "status": batch.status,
        "digest": file.digest if file else "",
        "handed_to": file.handed_to if file else "",
    }


def _differences(arguments: Arguments, state: dict[str, str]) -> Sequence[Difference]:
    batch = _find(arguments)
    return [
        Difference("Cards", "", f"{batch.size:,}"),
        Difference("Encrypted to the printer's key", "", batch.printer_key),
        Difference("SHA-256 of the file", "", state["digest"]),
    ]


def _check(arguments: Arguments, why: str, by: Actor) -> None:
    state = _lock_state(arguments)
    if state["handed_to"]:
        raise PrinterFileHandedOut
    if not state["digest"] or state["status"] not in BEFORE_USE:
        raise BatchStateRefuses


def _run(arguments: Arguments, why: str, by: Actor) -> Result:
    _check(arguments, why, by)
    batch = _find(arguments)
    PrinterFile.objects.filter(batch=batch).update(handed_to=by.user_id, handed_out_at=timezone.now())
    record_audit(
        action="batch.printer_file_handed_out",
        object_type="batch",
        object_id=batch.promo_code.code,
        by=by,
        changes={"handed_to": [None, by.user_id]},
        reason=why,
    )
    return Result(f"The printer's file of {batch} is handed out.", *_subject(arguments))


def _find(arguments: Arguments) -> Batch:
    return Batch.objects.select_related("promo_code").get(pk=arguments["batch_id"])


def _subject(arguments: Arguments) -> tuple[str, str]:
    return "promos_batch", str(arguments["batch_id"])


PRINTER_FILE = Kind(
    name="printer_file",
    describe=lambda arguments, state: f"Hand out the printer's file of {_find(arguments)}",
    lock_state=_lock_state,
    differences=_differences,
    measure=lambda arguments, state: {},
    run=_run,
    subject=_subject,
    check=_check,
)
