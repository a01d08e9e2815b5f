"""All figures of the gallery, in the order of the page."""

from examples.gallery import dynamics
from examples.gallery.figure import Figure

FIGURES: dict[str, Figure] = {
    "dynamics": dynamics,
}
"""By the name that `make gallery NAME=...` takes, which is that of the picture too."""
