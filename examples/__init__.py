"""Worked examples on real data: each is one command and draws its picture."""
