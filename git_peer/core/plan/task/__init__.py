"""Tasks: `record` is a task, `events` what happens to it, `decide` how it is worked on, `claim` who has it.

`subtasks` ties a task to its parts, `board` shows the plan in memory, `integration` orders what is merged.
"""
