"""What networks are made of: maps of channels, convolutions, norms, activations, positions, conditions."""
