"""The training loop, its checkpoints, and a run from first row to results."""
