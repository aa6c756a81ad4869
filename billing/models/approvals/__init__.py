"""Proposals: acts that take effect only after another member of staff has approved them."""
