"""A document's PDF, in both languages."""

from datetime import UTC, datetime
from uuid import UUID

import pytest

from orders.models import Document
from orders.use_cases.documents.render_document import render_document


@pytest.mark.parametrize("language", ["en", "ar"])
def test_the_same_document_gives_the_same_bytes(language: str) -> None:
    at = datetime(2026, 11, 23, tzinfo=UTC)
    document = Document(
        kind=Document.Kind.INVOICE,
        cause=Document.Cause.ORDER,
        series="INV-2026",
        number=1,
        order_id=UUID(int=1),
        credit_minor=12_000,
        card_minor=0,
        vat_minor=571,
        basis_points=500,
        currency="OMR",
        supplied_at=at,
        issued_at=at,
        details={
            "seller": {"name": "مجان Majan", "address": "Muscat", "vat_number": "OM1100000000"},
            "buyer": {"organization": "مخبز", "email": "ada@example.om"},
            "lines": [{"name": f"Line {number}", "price_minor": 250} for number in range(44)],
            "period": [],
        },
    )
    file = render_document(document, language=language)
    assert file.startswith(b"%PDF-") and file.count(b"/Type /Page\n") == 2
    assert file == render_document(document, language=language)
