"""From frames to composites: sources, temporal smoothing, backgrounds, sinks and the one loop."""
