"""Initial parameters of all networks."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from equipoise_solver.networks.initial import initial_parameters
from equipoise_solver.networks.parameters import Parameters, check_parameters, flatten
from equipoise_solver.networks.training.plan import Given, Named, TrainingPlan


def initial_rows(plan: TrainingPlan) -> NDArray[Any]:
    """Flat parameters at the start, shape (groups, networks, p), in the precision of the plan."""
    n = plan.n_groups * plan.group_size
    if isinstance(plan.initial, Given):
        row = _flat(plan, check_parameters(plan.network, plan.initial.parameters))
        rows = np.broadcast_to(row, (n, row.size))
    else:
        paths = [0] if plan.initial.is_common else range(n)
        drawn = [_flat(plan, _drawn(plan, plan.initial, path)) for path in paths]
        rows = np.broadcast_to(np.stack(drawn), (n, plan.n_parameters))
    return np.array(rows, dtype=plan.precision).reshape(plan.n_groups, plan.group_size, -1)


def _drawn(plan: TrainingPlan, initial: Named, path: int) -> Parameters:
    return initial_parameters(
        plan.network, initial.kind, seed=plan.seed, path=path, scale=initial.scale, data=plan.data
    )


def _flat(plan: TrainingPlan, parameters: Parameters) -> NDArray[np.float64]:
    flat: NDArray[np.float64] = flatten(parameters, plan.network.blocks).detach().cpu().numpy()
    return flat.astype(np.float64)
