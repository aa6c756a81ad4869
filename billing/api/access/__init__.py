"""Finds out who makes a request, what their role allows, and how often they may ask."""
