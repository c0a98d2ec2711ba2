"""Where a model's code runs: one worker process per node, and our handle on it."""
