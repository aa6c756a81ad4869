"""Pages by which staff watch the service: jobs, events, deployments, discrepancies."""
