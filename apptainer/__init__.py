"""Images by digest, definition files, and how a program of a run becomes an `apptainer exec`."""
