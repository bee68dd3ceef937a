"""From a trained network to what other programs run."""
