"""Steps of a group of small networks by the compiled kernel."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from equipoise_solver.ensembles.compiled import key_of
from equipoise_solver.networks.data import GaussianTeacher, Pairs
from equipoise_solver.networks.losses import LOSSES
from equipoise_solver.networks.network import DenseNetwork
from equipoise_solver.networks.training import lane_kernel
from equipoise_solver.networks.training.curves import CURVES
from equipoise_solver.networks.training.dynamics import Gd, Langevin, Sgd, Sgf
from equipoise_solver.networks.training.plan import TrainingPlan
from equipoise_solver.networks.training.samples import roots_of
from equipoise_solver.networks.training.tiles import LANES, aligned_lanes

LEAK = 0.01
"""Slope of leaky_relu below 0, as in `networks.activations`."""
_NOTHING = np.empty((0, 0))


def train_in_lanes(
    plan: TrainingPlan,
    parameters: NDArray[Any],
    momenta: NDArray[Any] | None,
    *,
    first_path: int,
    first_step: int,
    n_steps: int,
) -> None:
    """Take steps of LANES networks, changing their parameters (LANES, p) and momenta (LANES, p or 0)."""
    layout = plan.layout
    lanes = _lanes_of(parameters)
    moved = _lanes_of(momenta) if momenta is not None else lanes[:0]
    settings = _settings(plan, layout.places)
    size = plan.samples_per_step
    width = LOSSES[plan.network.loss].label_width(plan.network.n_outputs)
    x, y, roots, teacher, noise_roots = _samples(plan)
    kernel = lane_kernel.compiled_steps(plan.precision)
    kernel(
        lanes,
        moved,
        plan.rates(first_step, n_steps),
        plan.spreads(first_step, n_steps),
        first_step,
        key_of(plan.seed),
        np.uint64(first_path),
        settings,
        _numbers(plan),
        layout.layers,
        x,
        y,
        roots,
        teacher,
        noise_roots,
        aligned_lanes(layout.n_entries, plan.precision),
        np.empty((_n_normals(plan, size, width), LANES)),
        np.empty((lane_kernel.CHUNK * width, LANES)),
        np.empty((size if settings[lane_kernel.SOURCE] != lane_kernel.WHOLE else 1, LANES), dtype=np.int32),
        np.empty((LANES, x.shape[0] if settings[lane_kernel.SOURCE] == lane_kernel.EPOCH else 1), np.int32),
    )
    parameters[...] = lanes.reshape(-1, LANES).T
    if momenta is not None:
        momenta[...] = moved.reshape(-1, LANES).T


def _lanes_of(rows: NDArray[Any]) -> NDArray[Any]:
    """A lane array of the rows of LANES networks, shape (LANES, p)."""
    lanes = aligned_lanes(rows.shape[1], rows.dtype)
    lanes.reshape(-1, LANES)[...] = rows.T
    return lanes


def _source(plan: TrainingPlan) -> int:
    if not isinstance(plan.dynamics, Sgd):
        return lane_kernel.WHOLE
    if isinstance(plan.data, GaussianTeacher):
        return lane_kernel.FRESH
    return lane_kernel.EPOCH if plan.dynamics.sampling == "epoch" else lane_kernel.REPLACEMENT


def _settings(plan: TrainingPlan, places: tuple[int, ...]) -> NDArray[np.int64]:
    network = plan.network
    assert isinstance(network, DenseNetwork)
    noise = {Sgf: lane_kernel.FLOW, Langevin: lane_kernel.ISOTROPIC}.get(
        type(plan.dynamics), lane_kernel.QUIET
    )
    return np.array(
        [
            len(network.dense_layers),
            CURVES[network.activation],
            lane_kernel.LOSS_CODES[plan.network.loss],
            _source(plan),
            plan.samples_per_step,
            plan.data.n if isinstance(plan.data, Pairs) else 0,
            noise,
            LOSSES[plan.network.loss].label_width(plan.network.n_outputs),
            *places,
        ],
        dtype=np.int64,
    )


def _numbers(plan: TrainingPlan) -> NDArray[np.float64]:
    dynamics = plan.dynamics
    momentum, label_noise = (
        (dynamics.momentum, dynamics.label_noise) if isinstance(dynamics, Sgd | Gd) else (0.0, 0.0)
    )
    return np.array([momentum, 2 * dynamics.weight_decay, label_noise, LEAK])


def _n_normals(plan: TrainingPlan, size: int, width: int) -> int:
    match plan.dynamics:
        case Sgf():
            return size
        case Langevin():
            return plan.n_parameters
        case Sgd() if isinstance(plan.data, GaussianTeacher):
            return size * (plan.network.n_inputs + width)
        case _:
            return 1


def _samples(plan: TrainingPlan) -> tuple[NDArray[Any], ...]:
    """x, y in the precision of the plan, and the roots of the teacher's covariances."""
    if isinstance(plan.data, Pairs):
        x, y = (
            np.ascontiguousarray(each.detach().cpu().numpy(), dtype=plan.precision)
            for each in (plan.data.x, plan.data.y)
        )
        return x, y, _NOTHING, _NOTHING, _NOTHING
    none = np.empty((0, 0), dtype=plan.precision)
    return none, none, *roots_of(plan.data)
