"""The RLM loop: one node's iterations, its blocks, its sub-calls, its limits. Runs headless."""
