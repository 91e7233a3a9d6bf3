"""The ground that every other room stands on: recipe, run id, run directory, manifest, seal."""
