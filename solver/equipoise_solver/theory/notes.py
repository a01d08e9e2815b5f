"""The sentences that laws carry for their readers."""

SPARSE = (
    "T is at or above the critical temperature: v = 0 attracts and the only stationary law is an atom there."
)
SPARSE_NO_SIGNAL = "E[xy], less the weight decay, is not positive in the sector: v = 0 attracts at every T."
ONE_SECTOR = (
    "Only the sector with the sign of E[xy] holds a stationary law: paths that start with the other sign, "
    "or at v = 0, end at 0, so in general the start mixes this law with an atom there."
)
NO_BARRIER = (
    "Weight decay makes v = 0 attracting and the formal density of v has no maximum away from 0: all mass "
    "ends at 0. In the coordinate of constant noise there may still be a barrier, behind which runs linger "
    "on their way: its place, height and mean time are those of the escape."
)
METASTABLE = (
    "Weight decay makes v = 0 attracting: the only true stationary law is the atom there. Density, cdf, "
    "quantiles, moments and mode are those of the learned state in local equilibrium, conditional on being "
    "beyond the barrier."
)
INTERPOLATING = "Force and noise vanish at the same point: the law is an atom there."
TWO_ATOMS = "v = 0 attracts as well: the start decides how much mass each atom gets."
NOISE_FREE = "There is no gradient noise: the law is an atom at the stable fixed point of gradient flow."
NOISE_FREE_BISTABLE = (
    "With weight decay v = 0 is stable too: the start decides. "
    "Mean, variance and mode are those of the learned point."
)
OVERFLOW = "Mean or variance are finite, but beyond the largest 64-bit number."
INFINITE_VARIANCE = "The density falls so slowly that E[v**2] is infinite: there is no variance."
WALL = (
    "The gradient noise vanishes at a point where the force does not: a boundary that is crossed one way "
    "only. The law lives on one side of it."
)
ZERO_ATTRACTS_TOO = (
    "v = 0 attracts paths that start between 0 and the wall: the law is a mixture of the atom and the "
    "density with weights set by the start. Density, cdf, quantiles, moments and mode are those of the part "
    "beyond the wall."
)
