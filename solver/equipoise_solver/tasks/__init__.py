"""From spec to solution, one file per task: what a spec means in terms of the numerics."""
