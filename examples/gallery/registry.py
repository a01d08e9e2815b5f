"""All figures of the gallery, in the order of the page."""

from examples.gallery import digits, dynamics, inversion, laws, regimes, tails, tanh_units
from examples.gallery.figure import Figure

FIGURES: dict[str, Figure] = {
    "dynamics": dynamics,
    "laws": laws,
    "tanh_units": tanh_units,
    "regimes": regimes,
    "tails": tails,
    "inversion": inversion,
    "digits": digits,
}
"""By the name that `make gallery NAME=...` takes, which is that of the picture too."""
