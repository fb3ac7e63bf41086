"""Threads, the BLAS, and how a batch is cut into shards for several ranks."""
