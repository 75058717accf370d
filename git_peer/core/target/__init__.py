"""What a lock can be on: `target` parses, prints and compares; `glob` matches and decides overlap.

`git_dir` knows git's own directory under all its names; `tree_index` finds records about overlapping paths in the tree.
"""
