"""Any one-dimensional diffusion on an interval with regular or singular ends."""
