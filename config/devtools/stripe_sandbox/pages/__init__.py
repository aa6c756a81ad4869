"""The HTML pages of the sandbox: checkout, billing portal, invoices, receipts and the overview."""
