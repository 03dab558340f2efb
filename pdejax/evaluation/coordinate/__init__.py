"""Networks of coordinates that were fitted to an equation: residuals, errors, pictures."""
