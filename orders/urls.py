from django.urls import path

from .api import catalog, checkout, organizations, portal, staff, subscriptions, top_up
from .webhooks import StripeWebhookView

urlpatterns = [
    path("billing/checkout", checkout.CheckoutView.as_view()),
    path("billing/vouchers/redeem", top_up.TopUpView.as_view()),
    path("billing/webhook", StripeWebhookView.as_view()),
    path("billing/subscription", subscriptions.SubscriptionView.as_view()),
    path("billing/subscription/<str:tenant_id>", subscriptions.SubscriptionView.as_view()),
    path("billing/invoices", subscriptions.InvoicesView.as_view()),
    path("billing/invoices/<str:tenant_id>", subscriptions.InvoicesView.as_view()),
    path("billing/portal/<str:tenant_id>", portal.PortalView.as_view()),
    path("billing/admin/orders", staff.OrdersView.as_view()),
    path("billing/admin/events", staff.EventsView.as_view()),
    path("catalog/plans", catalog.PlansView.as_view()),
    path("catalog/apps", catalog.AppsView.as_view()),
    path("catalog/addons", catalog.AddOnsView.as_view()),
    path("catalog/industries", catalog.IndustriesView.as_view()),
    path("catalog/bundles", catalog.BundlesView.as_view()),
    path("tenant/check-slug/<str:slug>", organizations.SlugView.as_view()),
    path("tenant/orgs", organizations.OrganizationsView.as_view()),
    path("tenant/orgs/<str:organization_id>", organizations.OrganizationView.as_view()),
]
