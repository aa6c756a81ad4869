"""The base of the endpoints: REST framework's view, without the steps in which no endpoint differs from another.

All endpoints answer JSON in one version, so nothing is negotiated, and an answer is rendered when it is made.
"""

from typing import Any, ClassVar

from django.http import HttpRequest, HttpResponseBase
from rest_framework.response import Response as NegotiatedResponse
from rest_framework.views import APIView


class ApiView(APIView):
    allow: ClassVar[str]

    @classmethod
    def as_view(cls, **options: Any) -> Any:
        cls.allow = ", ".join(cls(**options).allowed_methods)
        return super().as_view(**options)

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Identifies the caller, checks the permissions and the rate limits, and calls the method's handler."""
        self.args, self.kwargs = args, kwargs
        self.request = asked = self.initialize_request(request, *args, **kwargs)
        try:
            self.perform_authentication(asked)
            self.check_permissions(asked)
            if self.throttle_classes:
                self.check_throttles(asked)
            method = str(asked.method).lower()
            known = method in self.http_method_names
            handler = getattr(self, method, self.http_method_not_allowed) if known else self.http_method_not_allowed
            response: HttpResponseBase = handler(asked, *args, **kwargs)
        except Exception as error:  # noqa: BLE001 - it becomes a response, as in REST framework
            response = self.handle_exception(error)
        if isinstance(response, NegotiatedResponse):
            # REST framework itself answers OPTIONS.
            self.headers = self.default_response_headers
            response = self.finalize_response(asked, response, *args, **kwargs)
        response.headers["Allow"] = self.allow
        return response
