"""The transaction: `engine` decides, records, publishes and answers; `combine` does it for all writers of a clone.

`attempts` and `inbox` are what is on record meanwhile, `recovery` settles what a dead process left.
"""
