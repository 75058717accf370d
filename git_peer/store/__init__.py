"""The log on git: refs, objects, the remote, and what a clone keeps beside them."""
