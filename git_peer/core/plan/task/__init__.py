"""Tasks: `record` is a task, `events` what happens to it, `claim` who has it, `decide` how it is worked on.

`subtasks` ties a task to its parts, `graph` says what waits for what, `board` shows the plan in memory, `integration`
orders what is merged.
"""
