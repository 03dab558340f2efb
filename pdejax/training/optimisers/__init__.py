"""What takes the steps of training: by gradients, by curvature, by least squares; and schedules of learning rates."""
