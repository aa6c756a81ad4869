"""Invoices, receipts and credit notes, which are never edited."""

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse

from billing.admin.console.base import ReadOnlyAdmin, View, find_or_404
from billing.admin.console.display import (
    NOTHING,
    Column,
    Fact,
    Panel,
    Text,
    Tool,
    amount,
    badge,
    change_url,
    link,
    list_url,
    moment,
)
from billing.admin.console.filters import DayRangeFilter
from billing.admin.ledger import order_link
from billing.language import say
from orders.models import Document, Order
from orders.use_cases.documents.render_document import render_document

_POINTS_OF_PERCENT = 100
_NEWEST = 5


@admin.register(Document)
class DocumentAdmin(ReadOnlyAdmin):
    """The list and page of invoices, receipts and credit notes."""

    noun, nouns = "document", "invoices, receipts and credit notes"
    list_display = ("named", "kind_named", "when", "buyer_named", "total", "vat")
    list_filter = ("kind", ("supplied_at", DayRangeFilter))
    list_filter_submit = True
    narrow_by = {"order_id": "order"}
    search_fields = ("series",)
    search_help_text = "Number, such as INV-2026-000123; order id"
    time_field = "supplied_at"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Document, Document]:
        return Document.objects.select_related("order__organization", "order__customer", "corrects")

    def search_filter(self, term: str) -> Q:
        series, _, number = term.upper().rpartition("-")
        if series and number.isascii() and number.isdigit() and len(number) < len(str(2**63)):
            return Q(series=series, number=int(number))
        try:
            return Q(order_id=UUID(term))
        except ValueError:
            return Q(pk=None)

    @admin.display(description="Number")
    def named(self, document: Document) -> Text:
        return document.name

    @admin.display(description="Kind")
    def kind_named(self, document: Document) -> Text:
        return badge(document.get_kind_display())

    @admin.display(description="Day")
    def when(self, document: Document) -> Text:
        return moment(document.supplied_at)

    @admin.display(description="Buyer")
    def buyer_named(self, document: Document) -> Text:
        return document.buyer["organization"]

    @admin.display(description="Total")
    def total(self, document: Document) -> Text:
        return amount(document.total_minor)

    @admin.display(description="VAT")
    def vat(self, document: Document) -> Text:
        return amount(document.vat_minor)

    def title_of(self, record: Any) -> str:
        return str(record.name)

    def facts(self, request: HttpRequest, record: Any) -> Iterable[Fact]:
        yield Fact("Kind", self.kind_named(record))
        yield Fact("For", record.get_cause_display())
        yield Fact("Day", self.when(record))
        yield Fact("Issued", moment(record.issued_at))
        yield Fact("Order", order_link(record.order_id))
        corrected = record.corrects
        yield Fact(
            "Corrects", link(corrected.name, change_url(self.model_label, corrected.pk)) if corrected else NOTHING
        )
        yield Fact("Seller", say(", ").join(filter(None, record.seller.values())))
        named = (record.buyer[name] for name in ("organization", "email", "vat_number"))
        yield Fact("Buyer", say(", ").join(filter(None, named)))
        yield Fact("Without VAT", amount(record.net_minor))
        yield Fact(
            say("VAT %(rate)s", rate=f"{record.basis_points / _POINTS_OF_PERCENT:g}%"), amount(record.vat_minor)
        )
        yield Fact("Total", amount(record.total_minor))
        yield Fact("Credit", amount(record.credit_minor))
        yield Fact("Card", amount(record.card_minor))

    def tools(self, request: HttpRequest, record: Any) -> Iterable[Tool]:
        for language, name in (("en", "English"), ("ar", "Arabic")):
            yield Tool(
                say("PDF in %(language)s", language=say(name)),
                reverse("admin:orders_document_pdf", args=[record.pk, language]),
            )

    def extra_views(self) -> Sequence[tuple[str, str, View]]:
        return [("<str:key>/pdf/<str:language>/", "pdf", self.pdf_view)]

    def pdf_view(self, request: HttpRequest, key: str, language: str) -> HttpResponse:
        """Returns the document as a PDF in one of the two languages. Raises: Http404."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        if language not in ("en", "ar"):
            raise Http404
        document = find_or_404(self, request, key)
        headers = {"Content-Disposition": f'inline; filename="{document.name}.pdf"', "Cache-Control": "no-store"}
        content = render_document(document, language=language)
        return HttpResponse(content, content_type="application/pdf", headers=headers)

    def panels(self, request: HttpRequest, record: Any) -> Iterable[Panel]:
        if record.lines:
            yield Panel(
                title="Lines",
                columns=[Column("Name"), Column("Price", right=True)],
                rows=[(line["name"], amount(line["price_minor"])) for line in record.lines],
            )
        corrected_by = [(self._link(each), self.when(each), amount(each.total_minor)) for each in _notes(record)]
        if corrected_by:
            yield Panel(
                title="Credit notes",
                columns=[Column("Number"), Column("Day"), Column("Total", right=True)],
                rows=corrected_by,
            )

    def _link(self, document: Document) -> Text:
        return link(document.name, change_url(self.model_label, document.pk))


def documents_panel(order: Order) -> Panel:
    """Builds the panel of an order's newest documents; one query."""
    return Panel(
        title="Invoices, receipts and credit notes",
        columns=[Column("Number"), Column("Kind"), Column("Day"), Column("Total", right=True)],
        rows=[
            (
                link(each.name, change_url("orders_document", each.pk)),
                badge(each.get_kind_display()),
                moment(each.supplied_at),
                amount(each.total_minor),
            )
            for each in Document.objects.filter(order=order).order_by("-supplied_at", "-id")[:_NEWEST]
        ],
        empty="None was issued yet.",
        more_title="All documents of this order",
        more_url=list_url("orders_document", order_id=str(order.pk)),
    )


def _notes(document: Document) -> QuerySet[Document, Document]:
    """Returns what corrects a document. A correction has the same order, or a later one of the same customer."""
    of_customer = Document.objects.filter(order__customer=document.order.customer)
    return of_customer.filter(corrects=document).order_by("supplied_at", "id")
