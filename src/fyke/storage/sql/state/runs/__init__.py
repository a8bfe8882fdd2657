"""The stores of runs, their subtasks and attempts, starts, and lists."""
