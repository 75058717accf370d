"""The plan: `record` has its goal and phases, `edits` has every way to change it, `phases` closes a phase.

`contracts` and `questions` are its parts; `quality` says what is doubtful;
`proposal`, `sketch` and `draft` are a planner's.
"""
