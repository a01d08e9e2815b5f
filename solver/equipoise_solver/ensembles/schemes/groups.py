"""Groups of steps: what a kernel of the CPU does to a lane of a block, and one of a card to its path.

A scheme that a card can follow offers, beside its kernels,

    group(x, y, noise, p)           the state (x, y) after the steps that four numbers of noise serve, and how
                                    many of them were made
    first_of_group(x, y, noise, p)  the same after the first step, where a run may end within a group

p are the scheme's numbers in the precision of the state; y is x again where the state is one number. `min` of
a state is written out in them: on a card it would lose NaN, by which lost paths are known.
"""

from typing import Any

from equipoise_solver.ensembles.compiled import inlined


@inlined
def column(noise: Any, j: Any) -> Any:
    """The GROUP numbers of lane j."""
    return noise[0, j], noise[1, j], noise[2, j], noise[3, j]
