"""Models: what writes, loads and fetches them. The tests make their own, of the true architecture and very small."""
