"""Numerics and the problem language of Equipoise: a spec in, a solution out, no I/O."""
