"""`equipoise top`: a live view of a service in a terminal."""
