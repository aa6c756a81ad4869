"""Cards are generated in chunks that commit: none twice, none missing, also after a crash and beside each other."""

import re
from functools import partial
from unittest.mock import patch

import pytest

from billing.errors import ReasonRequired
from promos.errors import BatchNeedsAnotherApprover, BatchStateRefuses, InvalidCardBatch, InvalidPromo
from promos.models import Batch, Card
from promos.use_cases.approvals.approve_batch import approve_batch
from promos.use_cases.cards import generate_cards as module
from promos.use_cases.cards.change_batch import activate_batch, start_generation, void_batch
from promos.use_cases.cards.codes import SYMBOLS, make_codes
from promos.use_cases.cards.create_batch import BatchTerms, create_batch
from promos.use_cases.cards.generate_cards import generate_cards
from promos.use_cases.issue_code import Terms, issue_code
from tests.concurrency.threads import race
from tests.factories import actor
from tests.snapshot import nothing_changes

from .make_batch import APPROVER, DRAFTER, approved, draft

pytestmark = pytest.mark.django_db(transaction=True)


def assert_complete(batch: Batch) -> None:
    batch.refresh_from_db()
    serials = sorted(Card.objects.filter(batch=batch).values_list("serial", flat=True))
    assert serials == list(range(batch.first_serial, batch.first_serial + batch.size))
    assert (batch.status, batch.generated) == (Batch.Status.GENERATED, batch.size)


def test_batch_has_all_its_cards() -> None:
    batch = approved(size=50)
    assert generate_cards(batch_id=batch.id) == 50
    assert_complete(batch)
    assert all(re.fullmatch("[2-9A-HJ-NP-Z]{12}", card.code) for card in Card.objects.all())


def test_worker_that_died_is_continued() -> None:
    batch = approved(size=50)
    with patch.object(module, "CHUNK_SIZE", 20):
        with patch.object(
            module, "_generate_chunk", side_effect=[module._generate_chunk(batch, count=20), SystemExit]
        ):
            with pytest.raises(SystemExit):
                generate_cards(batch_id=batch.id)
        first = set(Card.objects.values_list("code", flat=True))
        generate_cards(batch_id=batch.id)
    assert len(first) == 20
    assert first < set(Card.objects.values_list("code", flat=True))
    assert_complete(batch)


def test_workers_side_by_side_write_no_card_twice() -> None:
    batch = approved(size=200)
    with patch.object(module, "CHUNK_SIZE", 10):
        assert race([partial(generate_cards, batch_id=batch.id)] * 4).refusals == {}
    assert_complete(batch)


def test_codes_that_exist_are_left_out() -> None:
    batch, other = approved(size=2), approved("SHOPS-2", size=2)
    issue_code(code="AAAA-BBBB-CCCC", terms=Terms(credit_minor=1), by=actor())
    issue_code(code="DDDDEEEEFFFF", terms=Terms(credit_minor=1), by=actor())
    taken = ["AAAABBBBCCCC", "DDDDEEEEFFFF", "GGGGGGGGGGGG", "GGGGGGGGGGGG", "HHHHHHHHHHHH"]
    with patch.object(module, "make_codes", side_effect=[taken, ["GGGGGGGGGGGG", "JJJJJJJJJJJJ"], ["KKKKKKKKKKKK"]]):
        generate_cards(batch_id=batch.id)
        generate_cards(batch_id=other.id)
    assert set(Card.objects.filter(batch=batch).values_list("code", flat=True)) == {"GGGGGGGGGGGG", "HHHHHHHHHHHH"}
    assert set(Card.objects.filter(batch=other).values_list("code", flat=True)) == {"JJJJJJJJJJJJ", "KKKKKKKKKKKK"}


def test_voucher_cannot_take_the_code_of_a_card_or_the_name_of_a_batch() -> None:
    batch = approved(size=1)
    with patch.object(module, "make_codes", return_value=["AAAABBBBCCCC"]):
        generate_cards(batch_id=batch.id)
    for text in ("AAAABBBBCCCC", "aaaa-bbbb-cccc", "SHOPS-1"):
        with nothing_changes(), pytest.raises(InvalidPromo) as refused:
            issue_code(code=text, terms=Terms(credit_minor=1), by=actor())
        assert list(refused.value.fields or {}) == ["code"]


def test_voided_batch_gets_no_further_cards() -> None:
    batch = approved(size=50)
    with patch.object(module, "CHUNK_SIZE", 20):
        module._generate_chunk(batch, count=20)
        void_batch(batch=batch, by=DRAFTER, reason="wrong price")
        assert generate_cards(batch_id=batch.id) == 20
    assert Card.objects.count() == 20


def test_serial_numbers_of_batches_follow_each_other() -> None:
    first, second = draft(size=10), draft("SHOPS-2", size=5)
    assert second.first_serial == first.last_serial + 1


def test_batch_is_approved_by_another_person() -> None:
    batch = draft()
    with nothing_changes(), pytest.raises(BatchNeedsAnotherApprover):
        approve_batch(batch=batch, by=DRAFTER, reason="fine")
    assert approve_batch(batch=batch, by=APPROVER, reason="fine").status == Batch.Status.APPROVED


def test_act_that_the_state_does_not_allow_is_refused() -> None:
    batch = draft()
    for act in (start_generation, activate_batch):
        with nothing_changes(), pytest.raises(BatchStateRefuses):
            act(batch=batch, by=DRAFTER, reason="x")
    with nothing_changes(), pytest.raises(ReasonRequired):
        void_batch(batch=batch, by=DRAFTER, reason=" ")


@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        ("name", {"name": "A!"}),
        ("credit", {"credit_minor": 0}),
        ("size", {"size": 0}),
        ("size", {"size": 1_000_001}),
        ("pattern", {"pattern": "-####-####-####"}),
        ("pattern", {"pattern": "####-####-####!"}),
        ("pattern", {"pattern": "ABCDEFGH-#####"}),
        ("pattern", {"pattern": "########"}),
        ("pattern", {"pattern": "############", "alphabet": "digits"}),
        ("alphabet", {"alphabet": "emoji"}),
    ],
)
def test_bad_terms_are_refused_at_their_field(field: str, wrong: dict[str, object]) -> None:
    terms = {"name": "SHOPS-1", "credit_minor": 5, "size": 10_000, "pattern": "####-####-####", **wrong}
    with nothing_changes(), pytest.raises(InvalidCardBatch) as refused:
        create_batch(terms=BatchTerms(**terms), by=DRAFTER)  # type: ignore[arg-type]
    assert list(refused.value.fields or {}) == [field]


def test_weak_codes_are_refused_with_the_length_that_is_enough() -> None:
    terms = BatchTerms(name="SHOPS-1", credit_minor=5, size=1_000_000, pattern="############")
    with pytest.raises(InvalidCardBatch) as refused:
        create_batch(terms=terms, by=DRAFTER)
    [sentence] = (refused.value.fields or {})["pattern"]
    assert sentence.startswith("too easy to guess") and sentence.endswith("13 random characters are enough")


def test_every_symbol_is_as_likely() -> None:
    for alphabet, symbols in SYMBOLS.items():
        text = "".join(make_codes(pattern="##########", alphabet=alphabet, count=10_000))
        counts = [text.count(symbol) for symbol in symbols]
        assert sum(counts) == 100_000
        assert max(counts) < 1.1 * 100_000 / len(symbols)
        assert min(counts) > 0.9 * 100_000 / len(symbols)


def test_fixed_characters_of_a_pattern_stand_in_every_code() -> None:
    assert all(
        re.fullmatch("QA7[0-9]{8}", code) for code in make_codes(pattern="QA7-####-####", alphabet="digits", count=50)
    )
