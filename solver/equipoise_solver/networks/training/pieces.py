"""One piece of work: a group of networks goes through a segment of steps, and is observed at its end."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from equipoise_solver.errors import InvalidModelError
from equipoise_solver.networks.data import GaussianTeacher, Pairs
from equipoise_solver.networks.memory import kept_bytes
from equipoise_solver.networks.network import Network
from equipoise_solver.networks.parameters import Parameters, unflatten
from equipoise_solver.networks.training.lane_training import train_in_lanes
from equipoise_solver.networks.training.observables import Scene, has_closed_forms, measure
from equipoise_solver.networks.training.plan import TrainingPlan
from equipoise_solver.networks.training.samples import observed_samples
from equipoise_solver.networks.training.segments import Piece
from equipoise_solver.networks.training.torch_training import train_by_torch

CPU = "cpu"
ESCAPE = {"float64": 1e30, "float32": 1e15}
"""A parameter beyond this, or not finite, counts as diverged: products of a few of them would overflow."""


@dataclass(frozen=True, eq=False)
class Outcome:
    """What a piece of work gives.

    Attributes:
        parameters: of the group's networks, shape (networks, p).
        momenta: likewise; None without momentum.
        is_lost: whether each network has diverged, shape (networks,).
        at_start: observables at the start, shape (names, networks), NaN where a network is lost or not
            there; None unless the piece begins the run.
        at_end: likewise at the record that ends it; None if there is none.
    """

    parameters: NDArray[Any]
    momenta: NDArray[Any] | None
    is_lost: NDArray[np.bool_]
    at_start: NDArray[np.float64] | None
    at_end: NDArray[np.float64] | None


@dataclass(frozen=True, eq=False)
class Workshop:
    """What all pieces of a run share.

    Attributes:
        plan: the plan.
        device: "cpu" or "cuda:N".
    """

    plan: TrainingPlan
    device: str

    @cached_property
    def scene(self) -> Scene:
        """What observables see."""
        plan = self.plan
        exact = has_closed_forms(plan.network, plan.data)
        data = plan.data if exact else observed_samples(plan)
        return Scene(
            network=plan.network,
            data=data,
            families=plan.symmetries,
            wanted=plan.observables,
            weight_decay=plan.dynamics.weight_decay,
            temperature=0.0,
            seed=plan.seed,
            sample_bytes=kept_bytes(plan.network, _ones(plan.network), data)
            if isinstance(data, Pairs)
            else 0,
        )

    def observe(self, rows: NDArray[Any], first_path: int, step: int) -> NDArray[np.float64]:
        """Observables of networks after so many steps, shape (names, networks).

        Args:
            rows: flat parameters, shape (networks, p); a network that is lost is NaN.
            first_path: path of the first row.
            step: number of updates made.

        Returns:
            NaN for networks that are lost, or beyond the last path, or so large that their observables
            overflow.

        Raises:
            InvalidModelError: field "parameters", they overflow before any update.
        """
        scene = self.scene.at(self._temperature(step))
        is_there = np.isfinite(rows).all(axis=1)
        is_there[max(0, self.plan.n_paths - first_path) :] = False
        seen = np.full((len(self.names), len(rows)), np.nan)
        if not is_there.any():
            return seen
        # Others are filled up: the bits of a network depend on the number of rows.
        theta = torch.from_numpy(np.where(is_there[:, None], rows, 1.0).astype(np.float64))
        values = measure(scene, unflatten(theta, self.plan.network.blocks), torch.from_numpy(is_there))
        for i, name in enumerate(self.names):
            seen[i] = values[name].numpy()
        is_seen = is_there & np.isfinite(seen).all(axis=0)
        if step == 0 and (is_seen < is_there).any():
            raise InvalidModelError(
                "parameters",
                given="values whose observables overflow",
                allowed="a start that is not so far out",
            )
        return np.where(is_seen, seen, np.nan)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Names of all numbers that are observed."""
        ones = {name: value.unsqueeze(0) for name, value in _ones(self.plan.network).items()}
        return tuple(measure(replace(self.scene, data=_two(self.scene.data)), ones))

    def _temperature(self, step: int) -> float:
        if self.plan.balance_temperature is not None:
            return self.plan.balance_temperature
        return float(self.plan.temperatures(step, 1)[0])


def _ones(network: Network) -> Parameters:
    return {block.name: torch.ones(block.shape, dtype=torch.float64) for block in network.blocks}


def _two(data: Pairs | GaussianTeacher) -> Pairs | GaussianTeacher:
    """Two samples, enough to see which numbers there are."""
    if isinstance(data, GaussianTeacher):
        return data
    rows = torch.tensor([0, data.n - 1])
    return Pairs(data.x[rows], data.y[rows])


def do_pieces(
    shop: Workshop, pieces: Sequence[Piece], parameters: NDArray[Any], momenta: NDArray[Any] | None
) -> list[Outcome]:
    """Do pieces of one segment: on a CPU one at a time, on a card all together.

    Args:
        shop: the run.
        pieces: of the same segment.
        parameters: of their groups' networks, shape (groups, networks, p); not changed.
        momenta: likewise, or None.
    """
    plan = shop.plan
    first_paths = [piece.group * plan.group_size for piece in pieces]
    rows, moved = parameters.copy(), None if momenta is None else momenta.copy()
    starts = [
        shop.observe(rows[i], first_paths[i], 0) if piece.first_step == 0 else None
        for i, piece in enumerate(pieces)
    ]
    # A network that diverges is no error, and what it leaves is looked at below.
    with np.errstate(all="ignore"):
        _train(shop, pieces[0], rows, moved, first_paths)
    is_lost = ~(np.abs(rows) < ESCAPE[plan.precision]).all(axis=-1)
    rows[is_lost] = np.nan
    ends = [
        None
        if piece.record is None
        else shop.observe(rows[i], first_paths[i], piece.first_step + piece.n_steps)
        for i, piece in enumerate(pieces)
    ]
    for i, end in enumerate(ends):
        if end is not None and len(shop.names) > 0:
            n_there = max(0, plan.n_paths - first_paths[i])
            is_lost[i, :n_there] |= np.isnan(end[:, :n_there]).any(axis=0)
            rows[i][is_lost[i]] = np.nan
    return [
        Outcome(rows[i], None if moved is None else moved[i], is_lost[i], starts[i], ends[i])
        for i in range(len(pieces))
    ]


def _train(
    shop: Workshop, piece: Piece, rows: NDArray[Any], moved: NDArray[Any] | None, first_paths: list[int]
) -> None:
    plan = shop.plan
    if not np.isfinite(rows).any():
        return
    if plan.uses_lanes and shop.device == CPU:
        for i, first_path in enumerate(first_paths):
            train_in_lanes(
                plan,
                rows[i],
                None if moved is None else moved[i],
                first_path=first_path,
                first_step=piece.first_step,
                n_steps=piece.n_steps,
            )
        return
    p = plan.n_parameters
    train_by_torch(
        plan,
        rows.reshape(-1, p),
        None if moved is None else moved.reshape(-1, p),
        first_paths=first_paths,
        first_step=piece.first_step,
        n_steps=piece.n_steps,
        device=shop.device,
    )


@contextmanager
def one_thread_each() -> Iterator[None]:
    """Torch works on one thread per thread of ours: the bits of a piece do not depend on their number.

    The setting is torch's for the process; it is put back at the end.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
