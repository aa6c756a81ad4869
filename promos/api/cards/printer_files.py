"""The endpoints of the printer's file of a secret batch: propose to hand it out, and download it."""

import base64
from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request

from billing.actor import SOVEREIGN_ADMIN
from billing.api.access.api_view import ApiView
from billing.api.access.authentication import actor_of
from billing.api.access.permissions import roles
from billing.api.proposals import ProposalSerializer
from billing.api.renderers import Response
from billing.api.schema import refusals
from promos.api.cards.batches import NO_BATCH, find_batch, read_body
from promos.api.cards.serializers import BatchActSerializer
from promos.use_cases.cards.printer_file import download_printer_file, propose_printer_file


class PrinterFileSerializer(serializers.Serializer[Any]):
    """The encrypted file, and what the printer compares it with."""

    sha256 = serializers.CharField(source="digest")
    size = serializers.IntegerField(help_text="In bytes.")
    content = serializers.SerializerMethodField(
        help_text="The file in base64. Only the printer can decrypt it (age)."
    )

    def get_content(self, file: Any) -> str:
        return base64.b64encode(file.content).decode()


class PrinterFileView(ApiView):
    permission_classes = (roles(SOVEREIGN_ADMIN),)

    @extend_schema(
        responses={
            200: PrinterFileSerializer,
            **refusals(
                {
                    403: "It was handed to somebody else, or to nobody yet.",
                    **NO_BATCH,
                    409: "The batch has none, or it is deleted because the batch is active.",
                }
            ),
        },
        tags=["cards"],
        summary="Download the printer's file that was handed to the caller",
        description="Each download is recorded. The file is deleted when the batch is activated.",
    )
    def get(self, request: Request, batch_id: UUID) -> Response:
        file = download_printer_file(batch=find_batch(batch_id), by=actor_of(request))
        return Response(PrinterFileSerializer(file).data, headers={"Cache-Control": "no-store"})

    @extend_schema(
        request=BatchActSerializer,
        responses={
            200: ProposalSerializer,
            **refusals({**NO_BATCH, 409: "It is handed out already, or the batch has none."}),
        },
        tags=["cards"],
        summary="Propose to hand the printer's file of a secret batch to the caller",
        description="Once, and only when somebody else has approved it. An open proposal is answered again.",
    )
    def post(self, request: Request, batch_id: UUID) -> Response:
        batch = find_batch(batch_id)
        body = read_body(BatchActSerializer, request)
        proposal = propose_printer_file(batch=batch, by=actor_of(request), reason=body["reason"])
        return Response(ProposalSerializer(proposal).data)
