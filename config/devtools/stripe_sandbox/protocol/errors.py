"""Errors in Stripe's shape: `{"error": {"type", "code", "message", "param"}}` and the status that goes with them."""

from typing import Any

BAD_REQUEST = 400
UNAUTHORIZED = 401
PAYMENT_REQUIRED = 402
NOT_FOUND = 404
CONFLICT = 409


class StripeError(Exception):
    """An answer with a status other than 2xx."""

    def __init__(
        self,
        message: str,
        *,
        status: int = BAD_REQUEST,
        kind: str = "invalid_request_error",
        code: str | None = None,
        param: str | None = None,
        keeps_changes: bool = False,
        **more: Any,
    ) -> None:
        super().__init__(message)
        self.status = status
        # A declined payment is an error to the caller, but its attempt must be stored.
        self.keeps_changes = keeps_changes
        facts = {"code": code, "message": message, "param": param, "type": kind, **more}
        if code:
            facts["doc_url"] = f"https://stripe.com/docs/error-codes/{code.replace('_', '-')}"
        self.body: dict[str, Any] = {"error": {name: fact for name, fact in facts.items() if fact is not None}}


def invalid(message: str, *, param: str | None = None, code: str | None = None) -> StripeError:
    """The request is invalid: 400."""
    return StripeError(message, param=param, code=code)


def missing(kind: str, identifier: str, *, param: str = "id", status: int = NOT_FOUND) -> StripeError:
    """There is no such object: 404 if the path names it, 400 if a parameter does."""
    return StripeError(f"No such {kind}: '{identifier}'", status=status, code="resource_missing", param=param)


def bad_key(shown: str) -> StripeError:
    """The secret key is unknown: 401, without a code, as at Stripe."""
    return StripeError(f"Invalid API Key provided: {shown}", status=UNAUTHORIZED)


def no_key() -> StripeError:
    """There is no key: 401."""
    return StripeError(
        "You did not provide an API key. You need to provide your API key in the Authorization header, using Bearer"
        " auth (e.g. 'Authorization: Bearer YOUR_SECRET_KEY').",
        status=UNAUTHORIZED,
    )


def no_route(method: str, path: str) -> StripeError:
    """There is no such route: 404."""
    return StripeError(f"Unrecognized request URL ({method}: {path}).", status=NOT_FOUND)


def unsupported(param: str) -> StripeError:
    """The sandbox does not support a parameter of Stripe's. It refuses it rather than ignore it."""
    return StripeError(f"The sandbox does not support: {param}", code="sandbox_unsupported", param=param)


def key_reused(message: str) -> StripeError:
    """The idempotency key was already used for another request: 400."""
    return StripeError(message, kind="idempotency_error")


def key_in_use(key: str) -> StripeError:
    """The first request with this idempotency key is in flight: 409. Its type is not `idempotency_error`."""
    return StripeError(
        f"There is currently another in-progress request using this Idempotent Key: {key}. This probably means"
        " you submitted twice, and the other request is still going through. Please try again later.",
        status=CONFLICT,
        code="idempotency_key_in_use",
    )


def declined(**more: Any) -> StripeError:
    """The bank declined the card: 402."""
    return StripeError(
        "Your card was declined.",
        status=PAYMENT_REQUIRED,
        kind="card_error",
        code="card_declined",
        decline_code="generic_decline",
        keeps_changes=True,
        **more,
    )
