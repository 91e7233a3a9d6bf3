"""SQL as a load runs it: TPC-B as pgbench does, and statements of a file."""
