"""Numbers of a prediction: errors, horizons, spectra, scores of ensembles, and how sure they are."""
