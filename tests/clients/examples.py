"""Specs and solutions that the tests of the client share, made without a solver."""

from typing import Any

import numpy as np

from equipoise_solver import specs

STATIONARY: dict[str, Any] = {
    "task": "stationary",
    "model": {"kind": "diagonal", "depth": 1, "width": 1},
    "data": {"kind": "gaussian", "slope": 0.7, "noise_std": 1.3},
    "temperature": 0.05,
}
SIMULATE: dict[str, Any] = {
    "task": "simulate",
    "model": {"kind": "diagonal"},
    "data": {"kind": "gaussian", "slope": 0.7, "noise_std": 1.3},
    "dynamics": {"kind": "sgf", "temperature": 0.05},
    "n_paths": 64,
    "duration": 2.0,
    "seed": 3,
    "observables": ["value", "loss"],
}
COMPARE: dict[str, Any] = {**SIMULATE, "task": "compare"}
DIFFUSION: dict[str, Any] = {
    "task": "diffusion",
    "drift": "x - x^3",
    "noise": "s",
    "params": {"s": 0.6},
    "hitting": {"start": [-0.5, 0.0, 0.5], "low": -1.0, "high": 1.0},
    "passage_time": {"start": [-1.0, 0.0], "high": 1.0},
    "escape": {"well": -1.0, "direction": "high"},
    "quasi_stationary": {"high": 0.0},
    "spectrum": {"n": 3},
    "evolve": {"start": 0.2, "times": [0.1, 1.0, 10.0]},
}

EQUILIBRIUM: dict[str, Any] = {
    "task": "equilibrium",
    "model": {"kind": "linear", "widths": [2, 2, 1]},
    "data": {"kind": "teacher", "teacher": [[1.0, -0.5]]},
    "temperature": 0.02,
}
SYMMETRIES: dict[str, Any] = {"task": "symmetries", "model": {"kind": "mlp", "widths": [3, 2, 1]}}
NETWORKS: dict[str, Any] = {
    "task": "simulate",
    "model": {"kind": "mlp", "widths": [2, 3, 1], "activation": "tanh"},
    "data": {"kind": "samples", "x": [[1.0, 0.5], [0.2, -1.0], [-0.7, 0.1]], "y": [1.0, 0.3, -0.2]},
    "dynamics": {"kind": "sgd", "learning_rate": 0.05},
    "n_paths": 8,
    "n_steps": 200,
    "seed": 3,
    "observables": ["loss", "norm"],
}


def solved(spec: dict[str, Any]) -> dict[str, Any]:
    """What every solution carries."""
    model = specs.parse_spec(spec)
    return {
        "task": spec["task"],
        "spec": model.model_dump(mode="json"),
        "spec_hash": specs.spec_hash(model),
        "solver_version": "0.0.0",
        "device": "cpu",
        "seconds": 0.25,
    }


def law_content(**changes: Any) -> dict[str, Any]:
    """A gamma law of shape 9 as the law of a network."""
    v = np.linspace(0.01, 3.0, 400)
    p = v**8 * np.exp(-12.0 * v)
    p /= np.trapezoid(p, v)
    cdf = np.concatenate([[0.0], np.cumsum(0.5 * (p[1:] + p[:-1]) * np.diff(v))])
    content: dict[str, Any] = {
        "phase": "learning",
        "regime": None,
        "temperature": 0.05,
        "loss_minimum": 0.7,
        "critical_temperature": 0.25,
        "atoms": [],
        "mean": 0.75,
        "variance": 0.0625,
        "second_moment": 0.625,
        "mode": 2 / 3,
        "mode_vanishes_at": 0.2,
        "tail_exponent": None,
        "support": [0.0, None],
        "quantiles": {"levels": [0.5], "values": [0.72]},
        "density": {"v": v.tolist(), "p": p.tolist(), "cdf": np.minimum(cdf, 1.0).tolist()},
        "boundaries": [],
        "notes": ["an example"],
    }
    return content | changes


def sparse_content() -> dict[str, Any]:
    """The law that has all mass at 0."""
    nowhere: dict[str, list[float]] = {"v": [], "p": [], "cdf": []}
    atom = {"at": 0.0, "mass": 1.0}
    return law_content(phase="sparse", atoms=[atom], mean=0.0, variance=0.0, mode=None, density=nowhere)


def ensemble_content(*, n_samples: int = 50_000, scale: float = 1.0, **changes: Any) -> dict[str, Any]:
    """Samples of the gamma law of `law_content`, stretched by `scale`, in fine bins of uneven widths."""
    samples = scale * np.random.default_rng(5).gamma(9.0, 1 / 12.0, n_samples)
    edges = np.concatenate([[0.0], np.geomspace(1e-6, 0.1, 300), np.linspace(0.1, 2.0, 900)[1:], [5.0]])
    counts, _ = np.histogram(samples, edges)
    time = np.linspace(0.0, 2.0, 50)
    series = {"time": time.tolist(), "mean": (1 - np.exp(-time)).tolist(), "standard_error": [0.02] * 50}
    content: dict[str, Any] = {
        "mean": float(samples.mean()),
        "standard_error": 0.01,
        "variance": float(samples.var()),
        "variance_standard_error": 0.002,
        "moments": [float(np.mean(samples**k)) for k in (1, 2, 3, 4)],
        "log_mean": float(np.log(samples).mean()),
        "log_standard_error": 0.01,
        "n_effective": 600.0,
        "tail": {"index": 2.4, "standard_error": 0.2, "threshold": 1.8, "count": 40},
        "step_bias": {"mean": -1e-4, "standard_error": 2e-5, "n_paths": 64, "coarse_step": 0.02},
        "quantiles": {"levels": [0.5], "values": [float(np.median(samples))]},
        "histogram": {"edges": edges.tolist(), "counts": counts.tolist(), "below": 0, "above": 0},
        "loss_minimum": 0.7,
        "n_paths": 64,
        "n_diverged": 0,
        "n_absorbed": 0,
        "path_steps": 12800,
        "step_size": 0.01,
        "seed": 3,
        "outcome": "COMPLETED",
        "observables": {"value": series, "loss": series},
        "snapshots": None,
        "first_passage": None,
        "diverged": [],
        "notes": [],
    }
    return content | changes


def stationary_content(**changes: Any) -> dict[str, Any]:
    """Solution of STATIONARY as JSON content."""
    none: dict[str, Any] = {"relaxation": None, "escape": None, "bayes": None}
    return {**solved(STATIONARY), **none, **law_content(**changes)}


def simulate_content(**changes: Any) -> dict[str, Any]:
    """Solution of SIMULATE as JSON content."""
    return {**solved(SIMULATE), **ensemble_content(**changes)}


def finite_step_content(**changes: Any) -> dict[str, Any]:
    """A law at finite step: that of `law_content`, with explosions."""
    law = law_content()
    shared = (
        "phase",
        "tail_exponent",
        "atoms",
        "mean",
        "variance",
        "support",
        "quantiles",
        "density",
        "notes",
    )
    content: dict[str, Any] = {
        **{name: law[name] for name in shared},
        "lyapunov_exponent": 0.04,
        "explosion_rate": 1e-6,
        "expected_steps_to_explosion": 1e6,
        "ceiling": 21.0,
        "lower_exponent": 2.5,
    }
    return content | changes


def compare_content(law: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    """Solution of COMPARE as JSON content."""
    distance = {"ks": 0.012, "ks_bound": 0.337, "n_effective": 64, "wasserstein": 0.004, "mean_z": 0.4}
    parts = {"stationary": law or law_content(), "simulation": ensemble_content(**changes)}
    none: dict[str, Any] = {"finite_step": None, "finite_step_distance": None, "notes": []}
    return {**solved(COMPARE), **parts, "distance": distance, **none}


def compare_sgd_content() -> dict[str, Any]:
    """Solution of COMPARE with SGD, which follows its own law at finite step and not the limit's."""
    spec = {**COMPARE, "dynamics": {"kind": "sgd", "learning_rate": 0.05}, "duration": None, "n_steps": 200}
    content = {**compare_content(), **solved(spec), "finite_step": finite_step_content()}
    own = {"ks": 0.021, "ks_bound": 0.337, "n_effective": 64, "wasserstein": 0.003, "mean_z": -0.2}
    content["distance"] = {**content["distance"], "ks": 0.4}
    return content | {"finite_step_distance": own, "notes": ["SGD follows its own law"]}


def diffusion_content(**changes: Any) -> dict[str, Any]:
    """Solution of DIFFUSION as JSON content: the numbers are made up."""
    x = np.linspace(-2.0, 2.0, 101)
    p = np.exp(-8.0 * (x**2 - 1) ** 2)
    p /= np.trapezoid(p, x)
    cdf = np.concatenate([[0.0], np.cumsum(0.5 * (p[1:] + p[:-1]) * np.diff(x))]).clip(0.0, 1.0)
    density = {"x": x.tolist(), "p": p.tolist(), "cdf": cdf.tolist()}
    time = np.geomspace(0.1, 100.0, 40)
    end = {"at": None, "kind": "entrance", "attracting": False, "behaviour": None, "reason": "It is far."}
    content: dict[str, Any] = {
        **solved(DIFFUSION),
        "evolve": {
            "time": [0.1, 1.0, 10.0],
            "x": x.tolist(),
            "density": [(part * p).tolist() for part in (1.0, 0.9, 0.5)],
            "cdf": [(part * cdf).tolist() for part in (1.0, 0.9, 0.5)],
            "mean": [0.2, 0.1, 0.0],
            "lost_low": [0.0, 0.1, 0.5],
            "lost_high": [0.0, 0.0, 0.0],
            "mass_error": 0.0,
            "grid_error": [1e-6, 1e-6, 1e-6],
            "time_error": 1e-6,
        },
        "boundaries": [end, end],
        "stationary": {
            "outcome": "density",
            "reason": "Both ends send paths back.",
            "atoms": [],
            "mean": 0.0,
            "variance": 0.9,
            "moments_below": None,
            "modes": [-1.0, 1.0],
            "quantiles": {"levels": [0.5], "values": [0.0]},
            "density": density,
        },
        "hitting": {
            "start": [-0.5, 0.0, 0.5],
            "low": [0.9, 0.5, 0.1],
            "high": [0.1, 0.5, 0.9],
            "log_low": np.log([0.9, 0.5, 0.1]).tolist(),
            "log_high": np.log([0.1, 0.5, 0.9]).tolist(),
        },
        "passage_time": {
            "start": [-1.0, 0.0],
            "probability": [1.0, 1.0],
            "mean": [12.5, None],
            "variance": [140.0, None],
            "log_mean": [2.5, None],
            "time": time.tolist(),
            "cdf": [(1 - np.exp(-time / tau)).tolist() for tau in (12.5, 6.0)],
            "density": [(np.exp(-time / tau) / tau).tolist() for tau in (12.5, 6.0)],
        },
        "escape": {
            "well": -1.0,
            "saddle": 0.0,
            "target": 1.0,
            "barrier": 1.4,
            "mean": 12.5,
            "log_mean": 2.5,
            "variance": 140.0,
            "kramers": 10.0,
            "log_kramers": 2.3,
            "ratio": 1.25,
        },
        "quasi_stationary": {
            "rate": 0.16,
            "error": 1e-12,
            "next_rate": 2.0,
            "mean": -0.9,
            "lost_low": 0.0,
            "lost_high": 1.0,
            "density": density,
        },
        "spectrum": {
            "rates": [0.03, 1.0, 1.7],
            "errors": [1e-12, 1e-12, 1e-12],
            "is_complete": True,
            "continuum": None,
            "has_stationary_law": True,
            "gap": 0.03,
            "autocorrelation_time": 30.0,
        },
        "notes": ["an example"],
    }
    return content | changes


def equilibrium_content(**changes: Any) -> dict[str, Any]:
    """Solution of EQUILIBRIUM as JSON content: the numbers are made up."""
    pair = {"before": 2.5, "after": 1.5}
    blocks = {"W1": pair, "W2": {"before": 0.5, "after": 1.5}}
    time = np.linspace(0.0, 40.0, 30)
    charges = np.column_stack([np.exp(-time / 8), 0.5 * np.exp(-time / 9), 0.2 * np.exp(-time / 7)])
    names = ["layers 1-2 [0,0]", "layers 1-2 [1,1]", "layers 1-2 [0,1]"]
    content: dict[str, Any] = {
        **solved(EQUILIBRIUM),
        "converged": True,
        "outcome": "CONVERGED",
        "reason": "",
        "residual": 3e-14,
        "n_iterations": 4,
        "parameters": {"W1": [[1.0, 0.5], [0.2, 0.1]], "W2": [[0.7, 0.3]]},
        "families": [family_content()],
        "exponents": [-0.3, 0.1, 0.2],
        "charges": {"names": names, "before": [1.0, 0.5, 0.2], "after": [0.0, 0.0, 0.0]},
        "loss": {"before": 0.7, "after": 0.7},
        "noise_trace": {"before": 27.0, "after": 12.0},
        "sharpness": {"before": 19.0, "after": 8.5},
        "top_eigenvalue": {"before": 18.0, "after": 7.5},
        "norms": blocks,
        "noise_traces": blocks,
        "alignment": {"layer 1": {"before": 0.6, "after": 1.0}},
        "flow": {
            "time": time.tolist(),
            "temperature": [0.02] * 30,
            "residual": [0.5] * 30,
            "charges": charges.tolist(),
            "exponents": (charges - 1).tolist(),
            "time_to_equilibrium": 12.5,
        },
        "notes": ["an example"],
    }
    return content | changes


def family_content(**changes: Any) -> dict[str, Any]:
    """A double rotation of two layers."""
    content: dict[str, Any] = {
        "kind": "double_rotation",
        "name": "layers 1-2",
        "dimension": 3,
        "structure": "full",
        "blocks": ["W1", "W2"],
        "sides": ["left", "right"],
        "degrees": [1.0, -1.0],
        "members": None,
    }
    return content | changes


def symmetries_content(**changes: Any) -> dict[str, Any]:
    """Solution of SYMMETRIES as JSON content: the numbers are made up."""
    rescaling = {"kind": "rescaling", "name": "neurons of layer 1", "dimension": 2, "structure": "diagonal"}
    content: dict[str, Any] = {
        **solved(SYMMETRIES),
        "structure": "diagonal",
        "dimension": 2,
        "families": [family_content(**rescaling)],
        "declared": [family_content(**rescaling)],
        "undetected": [],
        "spectrum": [1.0, 0.8, 0.7, 0.5, 1e-16, 0.0],
        "gap": 5e15,
        "residual": 2e-15,
        "n_points": 40,
        "notes": ["an example"],
    }
    return content | changes


def networks_content(**changes: Any) -> dict[str, Any]:
    """Solution of NETWORKS as JSON content: the numbers are made up."""
    time = np.linspace(0.0, 200.0, 20)
    series = {"time": time.tolist(), "mean": np.exp(-time / 50).tolist(), "standard_error": [0.02] * 20}
    names = ("loss", "norm", "norm.W1", "norm.b1", "norm.W2", "norm.b2")
    content: dict[str, Any] = {
        **solved(NETWORKS),
        "n_paths": 8,
        "n_diverged": 0,
        "path_steps": 1600,
        "step_size": None,
        "seed": 3,
        "outcome": "COMPLETED",
        "observables": dict.fromkeys(names, series),
        "learned": (0.05 * time).tolist(),
        "snapshots": {},
        "parameters": {"W1": [[1.0, 0.5]] * 3, "b1": [0.0] * 3, "W2": [[1.0, 2.0, 3.0]], "b2": [0.5]},
        "diverged": [],
        "notes": ["an example"],
    }
    return content | changes
