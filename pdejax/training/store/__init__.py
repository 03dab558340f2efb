"""What a run leaves on disk: checkpoints, metrics and the environment."""
