"""Several predictors on the same truth."""
