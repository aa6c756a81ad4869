from django.urls import path

from .api import credit, processor_settings, revenue

urlpatterns = [
    path("billing/balance", credit.BalanceView.as_view()),
    path("billing/admin/revenue", revenue.RevenueView.as_view()),
    path("billing/admin/settings", processor_settings.ProcessorSettingsView.as_view()),
]
