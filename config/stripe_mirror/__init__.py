"""dj-stripe's app configuration for this service, and the migrations of its tables."""
