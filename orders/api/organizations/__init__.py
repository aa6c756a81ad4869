"""Organizations with their members, apps and domains."""
