"""What a model is compared with: the classical solver, linear and constant predictions."""
