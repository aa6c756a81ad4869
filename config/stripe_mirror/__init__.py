"""dj-stripe as this service runs it: its application, and the migrations of its tables."""
