"""Exponential symmetries of networks: generators, charges, detection, noise equilibria, Noether flow."""
