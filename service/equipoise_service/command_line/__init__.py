"""The command line of the service, one module per command."""
