"""Newton's method on least squares for Gaussians on lattices, slab after slab of time."""
