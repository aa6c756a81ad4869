"""The effect of a campaign on orders, before it starts."""
