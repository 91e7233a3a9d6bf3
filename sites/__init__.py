"""Site profiles: what is to be known of a cluster, one YAML file a site (see `runs.site`)."""
