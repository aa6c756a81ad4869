"""Renders a stored document as a PDF, on demand. The same document gives the same bytes in each language."""

from django.utils.translation import gettext, override

from orders.models import Document
from orders.use_cases.documents.describe_document import describe_document

# The item and its amount.
_LINE_WIDTHS = (0.7, 0.3)


def render_document(document: Document, *, language: str) -> bytes:
    """Renders a document that was read with the document that it corrects. No query."""
    from orders.use_cases.documents.sheet import Sheet  # noqa: PLC0415

    with override(language):
        text = describe_document(document)
        sheet = Sheet(title=f"{text.title} {document.name}", made_at=document.issued_at)
        sheet.heading(text.title, large=True)
        sheet.rows(text.facts)
        sheet.heading(gettext("Seller"))
        sheet.paragraph(text.seller)
        sheet.heading(gettext("Buyer"))
        sheet.paragraph(text.buyer)
        sheet.columns([text.head, *text.lines], widths=_LINE_WIDTHS, amounts=1)
        sheet.rows(text.amounts, last_is_total=True)
        sheet.heading(text.paid_title)
        sheet.rows(text.paid)
        return sheet.to_bytes()
