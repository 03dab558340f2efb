"""What studies and benchmarks share: the form of results, how they are shown, and the command of a study."""
