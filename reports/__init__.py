"""From a recording to a verdict, a summary, and a report that a person reads."""
