"""A load of several processes, on one node or on many: a parent that sends nothing, and shards that do.

Each shard carries its share of every phase (`loadtests.share`), on the parent's clock, and writes its own records. All
talk to the parent over one kept connection (`wire`), behind the load's secret. The parent says when to begin, decides
what needs all of them (a phase that ends by count or when it is steady), and adds up what they tell: there is one
progress, one result and one /metrics page, as of a load of one process.
"""
