"""What a scheme is: a compiled step, what it shows of a state, and what it declares about itself."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from equipoise_solver.theory.moments import DataMoments

ToState = Callable[[NDArray[np.float64]], NDArray[np.float64]]


@dataclass(frozen=True, eq=False)
class Scheme:
    """A scheme ready to be compiled.

    Attributes:
        name: as in the registry.
        clock: "steps", every path takes the same steps, or "adaptive", each its own between common sample
            times.
        interpretation: "ito" for an SDE; None for an update rule.
        noise_type: "scalar", one Brownian motion for all coordinates; "diagonal", one for each; None for an
            update rule.
        weak_order: of the scheme with Gaussian increments; None for an update rule, which is exact.
        step: kernel, of `compiled.flow_signature` (adaptive), or of `compiled.step_signature` (steps), which
            takes as many steps as the noise source serves per call.
        single: kernel of one step, of `compiled.step_signature`, for a fixed clock.
        features: kernel of an adaptive scheme, of `compiled.features_signature`.
        value: kernel of a scheme with a fixed clock, of `compiled.show_signature`.
        extra: likewise.
        n_state: numbers of state per path.
        n_work: rows of working memory per block.
        numbers: parameters, shape (n,).
        to_state: from parameters theta, shape (width*(depth + 1), paths), to states, shape (n_state, paths).
        bound: |v| from which a path counts as diverged. For an SDE an excursion that far has a chance of
            1e-75 (D = 1).
        bias_order: power of the step by which the mean approaches its limit, where a singular end makes it
            lower than the weak order, which is that of smooth functions away from the end.
        floor: |v| below which v counts as 0 and a path as absorbed, for D >= 1.
        typical_rate: steps per unit of time near the start and the minimum, [1/time]; 0 for an update rule.
    """

    name: str
    clock: Literal["steps", "adaptive"]
    interpretation: Literal["ito"] | None
    noise_type: Literal["scalar", "diagonal"] | None
    weak_order: int | None
    step: Callable[..., None]
    n_state: int
    n_work: int
    numbers: NDArray[np.float64]
    to_state: ToState
    bound: float = 1e150
    typical_rate: float = 0.0
    floor: float = 1e-300
    bias_order: float | None = None
    single: Callable[..., None] | None = None
    features: Callable[..., int] | None = None
    value: Callable[..., None] | None = None
    extra: Callable[..., None] | None = None


def flow_numbers(
    moments: DataMoments,
    *,
    temperature: float,
    weight_decay: float,
    max_step: float,
    relative_step: float,
    extra: tuple[float, ...] = (),
) -> NDArray[np.float64]:
    """The numbers that every SDE scheme takes, in this order, then its own."""
    head = (
        moments.beta1,
        moments.beta2,
        moments.alpha1,
        moments.root,
        moments.floor,
        temperature,
        weight_decay,
        max_step,
        relative_step,
    )
    return np.array((*head, *extra), dtype=np.float64)


def identity(theta: NDArray[np.float64]) -> NDArray[np.float64]:
    """States that are the parameters themselves."""
    return theta
