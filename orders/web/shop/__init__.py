"""The shop: a plan, apps, add-ons, the organization with a voucher, and a review that places the order.

The basket stands in the session until the order is placed. Every form is answered by a redirect, so that the back
button and a reload send nothing twice. A script of our own sends the same forms while the customer types, with the
header `X-Live`, and replaces the parts of the page that changed; without it, buttons do the same.
"""
