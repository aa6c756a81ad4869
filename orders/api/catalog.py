"""The public catalog: what can be ordered. Prices are a month's."""

from typing import Any

from django.conf import settings
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from billing.money import to_major
from orders.models import AddOn, App, Bundle, Industry, Plan
from orders.models.catalog import CatalogItem


class _PricedSerializer(serializers.ModelSerializer[Any]):
    price_omr = serializers.SerializerMethodField(help_text="The price in the deployment's currency.")
    currency = serializers.SerializerMethodField(help_text="ISO 4217.")

    def get_price_omr(self, item: Plan | AddOn) -> float:
        return to_major(item.price_minor, currency=settings.SOVEREIGN_CURRENCY)  # type: ignore[return-value]

    def get_currency(self, item: Plan | AddOn) -> str:
        return settings.SOVEREIGN_CURRENCY


class PlanSerializer(_PricedSerializer):
    class Meta:
        model = Plan
        fields = [
            "id",
            "slug",
            "name",
            "description",
            "cpu",
            "memory",
            "storage",
            "price_omr",
            "price_minor",
            "currency",
            "popular",
            "sort_order",
            "features",
            "stripe_price_id",
        ]


class AddOnSerializer(_PricedSerializer):
    class Meta:
        model = AddOn
        fields = [
            "id",
            "slug",
            "name",
            "description",
            "price_omr",
            "price_minor",
            "currency",
            "included",
            "category",
        ]


class AppSerializer(serializers.ModelSerializer[App]):
    class Meta:
        model = App
        fields = [
            "id",
            "slug",
            "name",
            "tagline",
            "description",
            "category",
            "icon",
            "icon_bg",
            "free",
            "featured",
            "popular",
            "features",
            "website",
            "license",
            "dependencies",
            "system",
            "kind",
            "shareable",
            "deployable",
            "minimum_size",
            "recommended_size",
        ]


class IndustrySerializer(serializers.ModelSerializer[Industry]):
    class Meta:
        model = Industry
        fields = ["id", "slug", "name", "emoji", "description", "suggested_apps", "bundle"]


class BundleSerializer(serializers.ModelSerializer[Bundle]):
    discount = serializers.IntegerField(source="discount_percent", help_text="Per cent.")

    class Meta:
        model = Bundle
        fields = ["id", "slug", "name", "tagline", "apps", "discount", "recommended_size"]


class _CatalogView(APIView):
    authentication_classes = ()
    permission_classes = (AllowAny,)
    model: type[CatalogItem]
    serializer_class: type[serializers.ModelSerializer[Any]]

    def get(self, request: Request) -> Response:
        items = self.model._default_manager.filter(active=True)
        return Response(self.serializer_class(items, many=True).data)


@extend_schema(responses=PlanSerializer(many=True), tags=["catalog"], summary="Plans")
class PlansView(_CatalogView):
    model = Plan
    serializer_class = PlanSerializer


@extend_schema(responses=AddOnSerializer(many=True), tags=["catalog"], summary="Add-ons")
class AddOnsView(_CatalogView):
    model = AddOn
    serializer_class = AddOnSerializer


@extend_schema(responses=AppSerializer(many=True), tags=["catalog"], summary="Apps")
class AppsView(_CatalogView):
    model = App
    serializer_class = AppSerializer


@extend_schema(responses=IndustrySerializer(many=True), tags=["catalog"], summary="Industries")
class IndustriesView(_CatalogView):
    model = Industry
    serializer_class = IndustrySerializer


@extend_schema(responses=BundleSerializer(many=True), tags=["catalog"], summary="Bundles of apps")
class BundlesView(_CatalogView):
    model = Bundle
    serializer_class = BundleSerializer
