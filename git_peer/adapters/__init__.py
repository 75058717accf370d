"""Libraries of others behind small functions of ours: each is imported in one module, when it is first needed."""
