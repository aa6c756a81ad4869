from django.urls import path

from .api import vouchers

urlpatterns = [
    path("billing/vouchers/issue", vouchers.IssueView.as_view()),
    path("billing/vouchers/list", vouchers.VouchersView.as_view()),
    path("billing/vouchers/revoke/<str:code>", vouchers.RevokeView.as_view()),
    path("billing/vouchers/redeem-preview", vouchers.PreviewView.as_view()),
    path("billing/admin/promos", vouchers.PromosView.as_view()),
    path("billing/admin/promos/<str:code>", vouchers.RevokeView.as_view()),
]
