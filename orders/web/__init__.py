"""The pages on which customers redeem vouchers and read their accounts."""
