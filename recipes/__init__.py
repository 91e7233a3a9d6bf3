"""Ready recipes, and the JSON schema that editors use to check one."""
