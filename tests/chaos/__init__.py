"""Chaos: a service is killed and frozen at random while it computes; every answer must still be right."""
