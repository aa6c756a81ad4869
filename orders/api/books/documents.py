"""A customer's invoices, receipts and credit notes, and everybody's for staff."""

from typing import Any

from django.http import HttpResponse
from django.utils.translation import get_language
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.request import Request

from billing.actor import LEDGER_READERS, SUPERADMIN
from billing.api.access.api_view import ApiView
from billing.api.access.authentication import principal_of
from billing.api.access.permissions import roles
from billing.api.fields import MoneyResponseSerializer
from billing.api.identifiers import read_path_id
from billing.api.pagination import page_parameters, page_response, read_page
from billing.api.renderers import Response
from billing.api.schema import refusals
from orders.errors import DocumentNotFound
from orders.models import Document
from orders.queries.orders import documents_of
from orders.use_cases.documents.render_document import render_document

_EXAMPLE = {
    "id": "01a206fe-6646-74c5-b7f0-76ba91a49334",
    "number": "INV-2026-000123",
    "kind": "invoice",
    "cause": "order",
    "order_id": "01a206fe-6626-7d50-8e6d-02d212e822dc",
    "tenant_id": "01a206fe-653f-7ea1-b44b-2f6c0a418148",
    "corrects": "",
    "seller": {"name": "Majan Telecom SAOC", "address": "Muscat", "vat_number": "OM1100000000"},
    "buyer": {"organization": "Ada Bakery", "email": "ada@example.om", "vat_number": "OM1200000000"},
    "lines": [{"name": "Plan M", "price_minor": 9000}, {"name": "Daily backup", "price_minor": 3000}],
    "vat_basis_points": 500,
    "credit_minor": 12000,
    "card_minor": 0,
    "supplied_at": "2026-11-23T06:01:05.316094Z",
    "issued_at": "2026-11-23T06:02:00.001203Z",
    "total_minor": 12000,
    "total_omr": 12,
    "total_baisa": 12000,
    "net_minor": 11429,
    "net_omr": 11.429,
    "net_baisa": 11429,
    "vat_minor": 571,
    "vat_omr": 0.571,
    "vat_baisa": 571,
    "currency": "OMR",
}


class SellerSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    address = serializers.CharField(allow_blank=True)
    vat_number = serializers.CharField(allow_blank=True)


class BuyerSerializer(serializers.Serializer[Any]):
    organization = serializers.CharField()
    email = serializers.CharField(allow_blank=True)
    vat_number = serializers.CharField(allow_blank=True)


class DocumentLineSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    price_minor = serializers.IntegerField(help_text="With VAT, smallest unit.")


class DocumentSerializer(MoneyResponseSerializer):
    money = ("total", "net", "vat")

    id = serializers.UUIDField()
    number = serializers.CharField(source="name", help_text="Numbers of a series have no gaps.")
    kind = serializers.ChoiceField(choices=Document.Kind.choices)
    cause = serializers.ChoiceField(choices=Document.Cause.choices)
    order_id = serializers.UUIDField()
    tenant_id = serializers.UUIDField(source="order.organization_id")
    corrects = serializers.CharField(
        source="corrected_name", help_text="The number of the document that this one corrects; empty for none."
    )
    seller = SellerSerializer(help_text="As it was when the document was issued.")
    buyer = BuyerSerializer(help_text="As it was when the document was issued.")
    lines = DocumentLineSerializer(many=True, help_text="What was sold; none on a credit note.")
    vat_basis_points = serializers.IntegerField(
        source="basis_points", help_text="The rate of VAT: 500 are 5 percent."
    )
    credit_minor = serializers.IntegerField(help_text="The part that credit paid, or that was credited.")
    card_minor = serializers.IntegerField(help_text="The part that a card paid, or got back.")
    supplied_at = serializers.DateTimeField(help_text="When the money moved: the day of the document.")
    issued_at = serializers.DateTimeField()


class DocumentsView(ApiView):
    @extend_schema(
        responses=DocumentSerializer(many=True),
        parameters=page_parameters(),
        examples=[OpenApiExample("An invoice that credit paid", _EXAMPLE, response_only=True)],
        tags=["credit"],
        summary="List your invoices, receipts and credit notes, newest first",
        description="A document is issued within a minute of the payment or refund, and never changes.",
    )
    def get(self, request: Request) -> Response:
        return _list(request, user_id=principal_of(request).user_id)


class DocumentView(ApiView):
    @extend_schema(
        responses={200: DocumentSerializer, **refusals({404: "There is none, or it is another customer's."})},
        examples=[OpenApiExample("An invoice that credit paid", _EXAMPLE, response_only=True)],
        tags=["credit"],
        summary="Read one of your invoices, receipts or credit notes",
    )
    def get(self, request: Request, document_id: str) -> Response:
        found = find_document(document_id, user_id=principal_of(request).user_id)
        return Response(DocumentSerializer(found).data)


class DocumentPdfView(ApiView):
    @extend_schema(
        responses={
            (200, "application/pdf"): OpenApiTypes.BINARY,
            **refusals({404: "There is none, or it is another customer's."}),
        },
        tags=["credit"],
        summary="Download one of your documents as a PDF",
        description="In English or Arabic, by `Accept-Language`. The same document gives the same bytes. Staff who "
        "list all documents may download each.",
    )
    def get(self, request: Request, document_id: str) -> HttpResponse:
        principal = principal_of(request)
        reads_all = principal.role in (SUPERADMIN, *LEDGER_READERS)
        found = find_document(document_id, user_id=None if reads_all else principal.user_id)
        return pdf_response(found)


class AllDocumentsView(ApiView):
    permission_classes = (roles(*LEDGER_READERS),)

    @extend_schema(
        responses=DocumentSerializer(many=True),
        parameters=page_parameters(),
        examples=[OpenApiExample("An invoice that credit paid", _EXAMPLE, response_only=True)],
        tags=["administration"],
        summary="List all invoices, receipts and credit notes, newest first",
    )
    def get(self, request: Request) -> Response:
        return _list(request, user_id=None)


def pdf_response(document: Document) -> HttpResponse:
    """Returns a document as a PDF in the active language."""
    headers = {"Content-Disposition": f'inline; filename="{document.name}.pdf"', "Cache-Control": "private, no-store"}
    content = render_document(document, language=get_language() or "en")
    return HttpResponse(content, content_type="application/pdf", headers=headers)


def find_document(document_id: str, *, user_id: str | None) -> Document:
    """Finds a document by the id in a path, of one customer or of all. Raises: DocumentNotFound. One query."""
    key = read_path_id(document_id, not_found=DocumentNotFound)
    found = documents_of(user_id=user_id).filter(id=key).first()
    if found is None:
        raise DocumentNotFound
    return found


def _list(request: Request, *, user_id: str | None) -> Response:
    page = read_page(documents_of(user_id=user_id), request=request, by="supplied_at")
    return page_response(page, list(DocumentSerializer(page.rows, many=True).data), request=request)
