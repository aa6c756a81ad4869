"""The endpoint that imports voucher codes from a CSV file."""

from typing import Any

from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.request import Request

from billing.actor import SOVEREIGN_ADMIN
from billing.api.access.api_view import ApiView
from billing.api.access.authentication import actor_of
from billing.api.access.permissions import roles
from billing.api.fields import CsvTextField, FlagField, RequestSerializer, TextField, refusals_on_csv
from billing.api.renderers import Response
from billing.api.schema import refusals
from billing.use_cases.bulk.csv_rows import refuse_bad_rows
from billing.use_cases.proposals.propose import carried_out
from promos.use_cases.code_import.import_codes import import_or_propose, preview_import
from promos.use_cases.code_import.read_codes import MAX_CODES, read_codes


class ImportSerializer(RequestSerializer):
    """A file of voucher codes."""

    csv = CsvTextField(
        help_text=f"At most {MAX_CODES} codes. Titles: code, credit, cap (0 is unlimited); and optionally starts_at,"
        " expires_at, campaign (its name), description, and restrictions as of a voucher, by their names, the"
        " minimum order in the currency; spaces separate the items of a list."
    )
    dry_run = FlagField(required=False, help_text="True: only report what the import would do.")
    reason = TextField(max_length=500, help_text="For the audit trail.")


class ImportReportSerializer(serializers.Serializer[Any]):
    rows = serializers.IntegerField()
    issued = serializers.IntegerField()
    already = serializers.IntegerField(help_text="Codes that were there with these terms.")


class ImportView(ApiView):
    permission_classes = (roles(SOVEREIGN_ADMIN),)

    @extend_schema(
        request=ImportSerializer,
        responses={
            200: ImportReportSerializer,
            **refusals(
                {
                    400: "The body is not valid, or the file has bad rows: `fields.csv` names each by its line.",
                    409: "A credit or a cap exceeds a limit, and the import was proposed instead:"
                    " `approval_required`, `proposal_id`.",
                }
            ),
        },
        examples=[
            OpenApiExample(
                "Two vouchers",
                {"csv": "code;credit;cap\r\nEID-1;5;100\r\nEID-2;2.500;0\r\n", "reason": "Eid"},
                request_only=True,
            )
        ],
        tags=["vouchers"],
        summary="Issue the codes of a CSV file, or only check it",
        description="All codes are issued, or none. A code that is there with the same terms is left as it is, so the"
        " same file can be sent again.",
    )
    def post(self, request: Request) -> Response:
        form = ImportSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        body: dict[str, Any] = form.validated_data
        with refusals_on_csv():
            found = read_codes(body["csv"].encode())
            refuse_bad_rows(found.bad_rows)
            if body.get("dry_run"):
                report = preview_import(rows=found.rows)
            else:
                outcome = import_or_propose(rows=found.rows, by=actor_of(request), reason=body["reason"])
                report = carried_out(outcome).value
        return Response(ImportReportSerializer(report).data)
