"""Extends the OpenAPI schema with the authentication schemes and the common shape of errors."""

import re
from typing import Any, Literal

from drf_spectacular.extensions import OpenApiAuthenticationExtension, OpenApiSerializerExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import get_lib_doc_excludes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse
from rest_framework import serializers
from rest_framework.permissions import AllowAny

from .access.api_view import ApiView
from .fields import MoneyRequestSerializer, MoneyResponseSerializer, RequestSerializer


def undescribed_bases() -> list[Any]:
    """Names base classes whose docstrings are for developers of this service, not for readers of the schema."""
    theirs: list[Any] = get_lib_doc_excludes()  # type: ignore[no-untyped-call]
    return [*theirs, ApiView, RequestSerializer, MoneyRequestSerializer, MoneyResponseSerializer]


class Error(serializers.Serializer[Any]):
    """The body of every error under the API root."""

    error = serializers.CharField(help_text="A sentence for people.")
    code = serializers.CharField(help_text="A stable code for programs, in snake_case.")
    # A serializer already has an attribute `fields`, so this field is added by name below.

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        fields = super().get_fields()
        fields["fields"] = serializers.DictField(
            child=serializers.ListField(child=serializers.CharField()),
            required=False,
            help_text="What is wrong with each invalid input.",
        )
        return fields


def refusals(described: dict[int, str]) -> dict[int, OpenApiResponse]:
    """Describes an operation's own refusals: a sentence for each status."""
    return {status: OpenApiResponse(Error, sentence) for status, sentence in described.items()}


def retry_after_parameter(description: str, *statuses: int, required: bool = False) -> OpenApiParameter:
    """Describes the header `Retry-After` of the answers with these statuses."""
    return OpenApiParameter(
        "Retry-After",
        int,
        OpenApiParameter.HEADER,
        required=required,
        description=description,
        response=list(statuses),
    )


class ApiSchema(AutoSchema):
    """Adds the shape of errors to every operation, and the format of ids to paths."""

    def _resolve_path_parameters(self, variables: list[str]) -> list[dict[str, Any]]:
        # The router accepts any string as an id (see `identifiers`), so the schema must say that it is a UUID.
        parameters: list[dict[str, Any]] = super()._resolve_path_parameters(variables)  # type: ignore[no-untyped-call]
        for parameter in parameters:
            if parameter["name"].endswith("_id"):
                parameter["schema"] = {"type": "string", "format": "uuid"}
        return parameters

    def _get_response_bodies(self, direction: Literal["request", "response"] = "response") -> Any:
        bodies = super()._get_response_bodies(direction)
        described = self._get_response_for_code(  # type: ignore[no-untyped-call]
            Error, "default", ["application/json"], direction
        )
        bodies.setdefault("default", {**described, "description": "Any error."})
        return bodies

    def _get_request_body(self, direction: Literal["request", "response"] = "request") -> Any:
        body: Any = super()._get_request_body(direction)  # type: ignore[no-untyped-call]
        if body and getattr(self.get_request_serializer(), "requires_one_of", ()):
            body["required"] = True
        return body

    def get_operation_id(self) -> str:
        """Includes the path's parameters: a path with an id and the same path without one are two operations."""
        parameters = "".join(f"_by_{name}" for name in re.findall(r"\{(\w+)\}", self.path))
        return f"{super().get_operation_id()}{parameters}"

    def get_auth(self) -> list[dict[str, Any]]:
        if any(isinstance(permission, AllowAny) for permission in self.view.get_permissions()):
            return []
        return super().get_auth()


class MoneyRequestDescription(OpenApiSerializerExtension):  # type: ignore[no-untyped-call]
    """Describes that a request gives at least one form of each amount that it has to give."""

    target_class = "billing.api.fields.MoneyRequestSerializer"
    match_subclasses = True

    def map_serializer(self, auto_schema: AutoSchema, direction: Literal["request", "response"]) -> dict[str, Any]:
        schema: dict[str, Any] = auto_schema._map_serializer(self.target, direction, bypass_extensions=True)  # type: ignore[no-untyped-call]
        choices = [
            {"anyOf": [{"required": [form]} for form in amount.forms()]}
            for amount in self.target.money
            if amount.required
        ]
        return {**schema, "allOf": choices} if choices else schema


class BearerScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = "billing.api.access.authentication.BearerAuthentication"
    name = "bearer"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, str]:
        return {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "JWT",
            "description": "Claims: sub, email, role, exp.",
        }


class SessionScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = "billing.api.access.authentication.SessionAuthentication"
    name = "session"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, str]:
        return {
            "type": "apiKey",
            "in": "cookie",
            "name": "sessionid",
            "description": "A session of the service's own pages. Requests that change something need X-CSRFToken.",
        }
