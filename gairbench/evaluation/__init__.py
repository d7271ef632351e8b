"""Evaluate models on tasks: the plan decides, jobs are the units of work, the runner orders them."""
