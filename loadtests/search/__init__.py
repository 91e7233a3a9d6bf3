"""Finding the highest rate at which a service still meets its objectives."""
