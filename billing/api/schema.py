"""The OpenAPI description: how to prove an identity, and the one shape of every error."""

import re
from typing import Any, Literal

from drf_spectacular.extensions import OpenApiAuthenticationExtension, OpenApiSerializerExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import get_lib_doc_excludes
from drf_spectacular.utils import OpenApiResponse
from rest_framework import serializers
from rest_framework.permissions import AllowAny

from .fields import MoneyRequestSerializer, MoneyResponseSerializer, RequestSerializer


def undescribed_bases() -> list[Any]:
    """Base classes whose docstrings are for us, not for readers of the description."""
    theirs: list[Any] = get_lib_doc_excludes()  # type: ignore[no-untyped-call]
    return [*theirs, RequestSerializer, MoneyRequestSerializer, MoneyResponseSerializer]


class Error(serializers.Serializer[Any]):
    """Every refusal and failure under the API root."""

    error = serializers.CharField(help_text="A sentence for people.")
    code = serializers.CharField(help_text="Stable, for programs: snake_case.")
    # `fields` is DRF's own attribute of a serializer, so this one is added by name.

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        fields = super().get_fields()
        fields["fields"] = serializers.DictField(
            child=serializers.ListField(child=serializers.CharField()),
            required=False,
            help_text="Of each input that is not valid, what is wrong with it.",
        )
        return fields


def refusals(described: dict[int, str]) -> dict[int, OpenApiResponse]:
    """What an operation refuses in a way of its own, by status: a sentence on when."""
    return {status: OpenApiResponse(Error, sentence) for status, sentence in described.items()}


class ApiSchema(AutoSchema):
    """Adds to every operation the shape of its errors, and to ids in paths what they are."""

    def _resolve_path_parameters(self, variables: list[str]) -> list[dict[str, Any]]:
        # Paths take any text for an id (see `identifiers`): what is no id is not found.
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

    def get_operation_id(self) -> str:
        """Told apart by their parameters: a path with an id and the same path without are two operations."""
        parameters = "".join(f"_by_{name}" for name in re.findall(r"\{(\w+)\}", self.path))
        return f"{super().get_operation_id()}{parameters}"

    def get_auth(self) -> list[dict[str, Any]]:
        if any(isinstance(permission, AllowAny) for permission in self.view.get_permissions()):
            return []
        return super().get_auth()


class MoneyRequestDescription(OpenApiSerializerExtension):  # type: ignore[no-untyped-call]
    """Of the forms of an amount exactly one is given."""

    target_class = "billing.api.fields.MoneyRequestSerializer"
    match_subclasses = True

    def map_serializer(self, auto_schema: AutoSchema, direction: Literal["request", "response"]) -> dict[str, Any]:
        schema: dict[str, Any] = auto_schema._map_serializer(self.target, direction, bypass_extensions=True)  # type: ignore[no-untyped-call]
        choices = [
            {"oneOf": [{"required": [form]} for form in amount.forms()]}
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
            "description": "A session of the service's own pages; with X-CSRFToken where something changes.",
        }
