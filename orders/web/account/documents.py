"""A customer's invoices, receipts and credit notes: the list, and the page of one."""

from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlencode
from uuid import UUID

from django.db.models import Q
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import get_language
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from orders.models import Document
from orders.queries.orders import documents_of
from orders.use_cases.documents.describe_document import cause_of, describe_document, title_of
from orders.use_cases.documents.render_document import render_document
from orders.web.shop.summary import money
from orders.web.visitor import signed_in_actor

PAGE = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentRow:
    """A document as the list shows it."""

    id: UUID
    number: str
    title: str
    cause: str
    supplied_at: datetime
    total: str


@never_cache
@require_safe
def documents_page(request: HttpRequest) -> HttpResponse:
    """Lists the customer's own documents, newest first."""
    visitor = signed_in_actor(request)
    if visitor is None:
        return _to_sign_in(reverse("account-documents"))
    documents = documents_of(user_id=visitor.user_id)
    before = _read_id(request.GET.get("before", ""))
    last = documents.filter(id=before).first() if before else None
    if last is not None:
        earlier = Q(supplied_at__lt=last.supplied_at) | Q(supplied_at=last.supplied_at, id__lt=last.id)
        documents = documents.filter(earlier)
    found = list(documents[: PAGE + 1])
    context = {
        "visitor": visitor,
        "documents": [_describe_row(each) for each in found[:PAGE]],
        "older": found[PAGE - 1].id if len(found) > PAGE else None,
    }
    return render(request, "account_pages/documents.html", context)


@never_cache
@require_safe
def document_page(request: HttpRequest, document_id: UUID) -> HttpResponse:
    """Shows one of the customer's own documents. Raises: Http404."""
    visitor = signed_in_actor(request)
    if visitor is None:
        return _to_sign_in(reverse("account-document", args=[document_id]))
    document = documents_of(user_id=visitor.user_id).filter(id=document_id).first()
    if document is None:
        raise Http404
    context = {"visitor": visitor, "document": document, "text": describe_document(document)}
    return render(request, "account_pages/document.html", context)


@never_cache
@require_safe
def document_file(request: HttpRequest, document_id: UUID) -> HttpResponse:
    """Returns one of the customer's own documents as a PDF, in the page's language. Raises: Http404."""
    visitor = signed_in_actor(request)
    if visitor is None:
        return _to_sign_in(reverse("account-document", args=[document_id]))
    document = documents_of(user_id=visitor.user_id).filter(id=document_id).first()
    if document is None:
        raise Http404
    headers = {"Content-Disposition": f'inline; filename="{document.name}.pdf"'}
    content = render_document(document, language=get_language() or "en")
    return HttpResponse(content, content_type="application/pdf", headers=headers)


def _describe_row(document: Document) -> DocumentRow:
    is_credit = document.kind == Document.Kind.CREDIT_NOTE
    return DocumentRow(
        id=document.id,
        number=document.name,
        title=title_of(document),
        cause=cause_of(document),
        supplied_at=document.supplied_at,
        total=money(-document.total_minor if is_credit else document.total_minor),
    )


def _to_sign_in(page: str) -> HttpResponseRedirect:
    return HttpResponseRedirect(f"{reverse('account_login')}?{urlencode({'next': page})}")


def _read_id(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
