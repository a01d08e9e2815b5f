"""The HTTP API: the application, what surrounds a request, and what goes over the wire."""
