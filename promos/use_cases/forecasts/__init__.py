"""Forecasts what an offer would cost, by past orders, before it is launched."""
