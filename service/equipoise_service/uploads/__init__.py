"""Datasets: received with bounds, read, checked, stored once."""
