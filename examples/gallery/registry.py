"""All figures of the gallery, in the order of the page."""

from examples.gallery import (
    anisotropy,
    digits,
    dynamics,
    factorization,
    inversion,
    laws,
    regimes,
    relu_balance,
    scale_invariance,
    tails,
    tanh_latent,
    tanh_units,
    warm_up,
)
from examples.gallery.figure import Figure

FIGURES: dict[str, Figure] = {
    "dynamics": dynamics,
    "laws": laws,
    "tanh_units": tanh_units,
    "regimes": regimes,
    "tails": tails,
    "inversion": inversion,
    "digits": digits,
    "relu_balance": relu_balance,
    "scale_invariance": scale_invariance,
    "factorization": factorization,
    "anisotropy": anisotropy,
    "warm_up": warm_up,
    "tanh_latent": tanh_latent,
}
"""By the name that `make gallery NAME=...` takes, which is that of the picture too."""
