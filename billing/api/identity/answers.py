"""The answers of the identity endpoints, and the actor of a request that is not signed in yet."""

from typing import Any

from django.conf import settings
from rest_framework import serializers
from rest_framework.request import Request

from billing.actor import Actor, anonymous_actor
from billing.api.access.client_address import client_address
from billing.local_time import utc_text
from billing.models import Customer, User
from billing.use_cases.identity.access_tokens import role_word
from billing.use_cases.identity.sessions import Tokens


class UserSerializer(serializers.Serializer[Any]):
    id = serializers.CharField(help_text="The user id: a token's `sub`, and `customer_id` in every answer.")
    email = serializers.EmailField()
    name = serializers.CharField(allow_blank=True)
    avatar_url = serializers.CharField(allow_blank=True)
    role = serializers.CharField(help_text="`member` for a customer, or a role of staff.")
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()


class TokensSerializer(serializers.Serializer[Any]):
    token = serializers.CharField(help_text="The access token, valid for 15 minutes.")
    refresh_token = serializers.CharField(help_text="Valid for 30 days, once.")
    user = UserSerializer()


class MessageSerializer(serializers.Serializer[Any]):
    message = serializers.CharField()


def user_answer(user: User, *, role: str) -> dict[str, Any]:
    """Returns a user as clients know it."""
    return {
        "id": user.sub,
        # An administrator without an address still has one in answers: clients rely on it.
        "email": user.email or f"{user.username}@{settings.SOVEREIGN_DOMAIN}",
        "name": user.get_full_name(),
        "avatar_url": user.avatar_url,
        "role": role_word(role),
        "created_at": utc_text(user.date_joined),
        "updated_at": utc_text(user.updated_at),
    }


def customer_answer(customer: Customer, *, role: str) -> dict[str, Any]:
    """Returns a platform's user, who has only a customer here, as clients know a user. The token names the role."""
    created_at = utc_text(customer.created_at)
    return {
        "id": customer.user_id,
        "email": customer.email,
        "name": "",
        "avatar_url": "",
        "role": role_word(role),
        "created_at": created_at,
        "updated_at": created_at,
    }


def tokens_answer(tokens: Tokens) -> dict[str, Any]:
    """Returns the answer to every successful sign-in and refresh."""
    return {
        "token": tokens.access,
        "refresh_token": tokens.refresh,
        "user": user_answer(tokens.user, role=tokens.role),
    }


def anonymous_actor_of(request: Request) -> Actor:
    """Returns the actor of a request whose identity is not proved yet."""
    return anonymous_actor(channel="api", address=client_address(request))
