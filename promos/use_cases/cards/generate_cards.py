from django.db import connection, transaction

from promos.models import Batch
from promos.use_cases.cards.codes import make_codes

# Each chunk commits, so a worker that dies loses at most one, and the next one continues behind the last.
CHUNK_SIZE = 20_000


def generate_cards(*, batch_id: int) -> int:
    """Generates the cards of an approved batch, chunk by chunk, and returns how many it has.

    Two workers that generate the same batch take turns, and neither writes a card twice. A batch that is voided
    meanwhile gets no further cards.

    Transaction: owns one for each chunk. Idempotency: continues where an earlier run ended.
    """
    batch = Batch.objects.get(id=batch_id)
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
