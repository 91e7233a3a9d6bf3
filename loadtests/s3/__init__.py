"""S3 as a load needs it: signed requests, contents that can be checked without being kept, a prefix of its own."""
