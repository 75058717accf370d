"""The runner: a worker that takes tasks of the plan, solves them with a model, and hands in tested commits."""
