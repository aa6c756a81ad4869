from django.db import connection, transaction

from promos.locks import lock_texts
from promos.models import Batch, Card, PromoCode
from promos.models.secret_code import hash_card_code
from promos.use_cases.cards.codes import make_codes
from promos.use_cases.cards.export_cards import HEADER, csv_lines
from promos.use_cases.cards.printer_file import store_printer_file

# Each chunk commits, so a worker that dies loses at most one, and the next one continues behind the last.
CHUNK_SIZE = 20_000


def generate_cards(*, batch_id: int) -> int:
    """Generates the cards of an approved batch, chunk by chunk, and returns how many it has.

    Two workers that generate the same batch take turns, and neither writes a card twice. A batch that is voided
    meanwhile gets no further cards.

    Transaction: owns one for each chunk, of a secret batch one for all. Idempotency: continues where an earlier run
    ended.
    """
    batch = Batch.objects.get(id=batch_id)
    if batch.is_secret:
        return _generate_secret(batch)
    generated = batch.generated
    while generated < batch.size:
        before, generated = generated, _generate_chunk(batch, count=min(CHUNK_SIZE, batch.size - generated))
        if generated == before and Batch.objects.filter(id=batch.id).exclude(status=Batch.Status.APPROVED).exists():
            break
    return generated


def _generate_chunk(batch: Batch, *, count: int) -> int:
    codes = make_codes(pattern=batch.pattern, alphabet=batch.alphabet, count=count)
    printed = [batch.print_code(code) for code in codes] if "-" in batch.pattern else codes
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT promos_write_cards(%s, %s, %s)", [batch.id, codes, printed])
        [written] = cursor.fetchone()
    return int(written)


def _generate_secret(batch: Batch) -> int:
    """Generates a secret batch with its printer's file, in one transaction: nothing else ever holds its codes."""
    with transaction.atomic():
        # Races with another worker that generates the same batch: it finds the batch generated.
        batch = Batch.objects.select_for_update(no_key=True).select_related("promo_code").get(id=batch.id)
        if batch.status != Batch.Status.APPROVED:
            return batch.generated
        lock_texts()
        lines = [",".join(HEADER) + "\r\n"]
        generated = 0
        while generated < batch.size:
            codes = _open_codes(batch, count=min(CHUNK_SIZE, batch.size - generated))
            by_hash: dict[str, str] = {hash_card_code(code): code for code in codes}
            printed = [batch.print_code(code) for code in codes]
            with connection.cursor() as cursor:
                cursor.execute("SELECT promos_write_cards(%s, %s, %s)", [batch.id, list(by_hash), printed])
                [total] = cursor.fetchone()
            first = batch.first_serial + generated
            rows = (
                Card.objects.filter(batch=batch, serial__gte=first).order_by("serial").values_list("serial", "code")
            )
            lines += csv_lines(batch, ((serial, by_hash[stored]) for serial, stored in rows))
            generated = total
        store_printer_file(batch, lines)
    return generated


def _open_codes(batch: Batch, *, count: int) -> list[str]:
    """Makes codes of the batch's pattern, each once, that no open card and no voucher has."""
    codes = set(make_codes(pattern=batch.pattern, alphabet=batch.alphabet, count=count))
    taken = Card.objects.filter(code__in=codes).values_list("code", flat=True)
    return sorted(codes - set(taken) - set(PromoCode.objects.filter(code__in=codes).values_list("code", flat=True)))
