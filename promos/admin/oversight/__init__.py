"""Pages that show staff the use of vouchers and cards, and why uses were refused."""
