"""The same paths on a graphics card: one thread per path, by the scalar functions of the kernels of the CPU.

Nothing here is imported before a card is asked for; see `ensembles.devices`.
"""
