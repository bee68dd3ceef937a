"""From a frame to a score, without paddle where another engine runs the network."""
