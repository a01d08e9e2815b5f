"""Timings against named peers in the same run, kept apart from the tests."""
