"""Threads, the BLAS, and the workers that compute a batch's shards."""
