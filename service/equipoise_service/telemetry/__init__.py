"""What the service tells about itself: logs, metrics, traces, and its present state."""
