"""The settings of REST framework, and of the API's description."""

from typing import Any


def rest_framework_settings() -> dict[str, Any]:
    """Returns the setting REST_FRAMEWORK."""
    return {
        "DEFAULT_AUTHENTICATION_CLASSES": [
            "billing.api.access.authentication.BearerAuthentication",
            "billing.api.access.authentication.SessionAuthentication",
        ],
        "DEFAULT_PERMISSION_CLASSES": ["billing.api.access.permissions.Authenticated"],
        "DEFAULT_PARSER_CLASSES": ["billing.api.parsers.StrictJSONParser"],
        "DEFAULT_RENDERER_CLASSES": ["billing.api.renderers.ExactJSONRenderer"],
        "DEFAULT_CONTENT_NEGOTIATION_CLASS": "billing.api.renderers.AlwaysJSON",
        "DEFAULT_SCHEMA_CLASS": "billing.api.schema.ApiSchema",
        "EXCEPTION_HANDLER": "billing.api.exceptions.handle_exception",
        "COERCE_DECIMAL_TO_STRING": False,
        "URL_FORMAT_OVERRIDE": None,
        "TEST_REQUEST_DEFAULT_FORMAT": "json",
        "TEST_REQUEST_RENDERER_CLASSES": ["billing.api.renderers.ExactJSONRenderer"],
    }


def api_docs_settings(*, sovereign: str, version: str, api_prefix: str) -> dict[str, Any]:
    """Returns the setting SPECTACULAR_SETTINGS. Args: api_prefix: a path without a leading slash."""
    return {
        "TITLE": f"{sovereign}: vouchers, credit and checkout",
        "DESCRIPTION": "Vouchers, credit, checkout, catalog and organizations of one Sovereign. Errors are"
        ' `{"error": "<a sentence>", "code": "<stable_code>"}`, with `fields` where single inputs are at fault.'
        " Each answer has an `X-Request-Id`, by which the log names the request: the request's own, if it sent one.",
        "VERSION": version,
        "SERVE_INCLUDE_SCHEMA": False,
        "SERVE_PUBLIC": True,
        "SERVE_AUTHENTICATION": [],
        "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
        "SCHEMA_PATH_PREFIX": f"/{api_prefix}",
        "COMPONENT_SPLIT_REQUEST": True,
        "COMPONENT_NO_READ_ONLY_REQUIRED": False,
        "GET_LIB_DOC_EXCLUDES": "billing.api.schema.undescribed_bases",
        "POSTPROCESSING_HOOKS": [
            "drf_spectacular.hooks.postprocess_schema_enums",
            "config.web.schema_examples.add_examples",
        ],
        # Names for sets of values that share the field's name with others.
        "ENUM_NAME_OVERRIDES": {
            "LedgerEntryKindEnum": "billing.models.LedgerEntry.Kind",
            "OrganizationStatusEnum": "billing.models.Organization.Status",
            "ReportedStatusEnum": "orders.api.provisioning.reports.REPORTED_STATUSES",
            "DeploymentStatusEnum": "orders.models.provisioning.Deployment.Status",
            "ProvisionStatusEnum": "orders.models.provisioning.Provision.Status",
            "StepStatusEnum": "orders.api.provisioning.steps.STEP_STATUSES",
            "WebhookEndpointStatusEnum": "orders.models.WebhookEndpoint.Status",
            "WebhookDeliveryStatusEnum": "orders.models.WebhookDelivery.Status",
            "RangeActEnum": "promos.use_cases.ranges.plan_act.Act",
        },
        "SWAGGER_UI_DIST": "SIDECAR",
        "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
        "SWAGGER_UI_SETTINGS": {"persistAuthorization": False, "tryItOutEnabled": False},
    }
