"""The plan: `record` has its goal and phases, `decide` changes it, `phases` and `merge_point` close a phase.

`contracts`, `questions`, `edits`, `graph` and `quality` are its parts; `proposal` and `draft` are a planner's.
"""
