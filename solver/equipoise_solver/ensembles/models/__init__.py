"""One-dimensional models: drift and noise of v as device functions, which `schemes.explicit` moves by.

Each module has `coefficients(v, p)`, the drift and the noise relative to v (`IS_RELATIVE`) or absolute, with
its parameters in the tuple p. To add one: a file, and where it is chosen a line.
"""
