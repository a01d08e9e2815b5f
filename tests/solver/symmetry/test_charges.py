"""Noether charges in one step of SGD, exactly, and their rate along stochastic gradient flow."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tests.solver.symmetry.networks_with_symmetries import DECLARING

from equipoise_solver.networks import Network, Pairs, Parameters
from equipoise_solver.networks.losses import LOSSES
from equipoise_solver.networks.parameters import flatten
from equipoise_solver.networks.per_sample import mean_gradient, per_sample_gradients
from equipoise_solver.symmetry.charges import charge_rate, next_charges
from equipoise_solver.symmetry.generators import Generators


def drawn_pairs(network: Network, rng: np.random.Generator, n: int) -> Pairs:
    x = torch.from_numpy(rng.normal(size=(n, network.n_inputs)))
    labels = rng.normal(size=(n, network.n_outputs))
    if LOSSES[network.loss].labels_are_classes:
        labels = np.argmax(labels, axis=1)[:, None].astype(np.float64)
    return Pairs(x, torch.from_numpy(np.sign(labels) if network.loss == "logistic" else labels))


def drawn_parameters(network: Network, rng: np.random.Generator) -> Parameters:
    return {b.name: torch.from_numpy(0.6 * rng.normal(size=b.shape)) for b in network.blocks}


@pytest.mark.parametrize("weight_decay", [0.0, 0.07])
@pytest.mark.parametrize("name", DECLARING)
def test_charges_change_in_a_step_by_the_charge_of_the_gradient(
    name: str, weight_decay: float, rng: np.random.Generator
) -> None:
    """C' = (1 - 2 eta gamma)^2 C + eta^2 g' A g for every generator, to 1e-12 of the squared norm."""
    network = DECLARING[name]
    generators = Generators(network.blocks, network.families())
    learning_rate, last_terms = 0.05, []
    for _ in range(3):
        parameters, batch = drawn_parameters(network, rng), drawn_pairs(network, rng, 5)
        gradient = mean_gradient(network, parameters, batch)
        decayed = mean_gradient(network, parameters, batch, weight_decay=weight_decay)
        after = {name: value - learning_rate * decayed[name] for name, value in parameters.items()}
        wanted = next_charges(
            generators.charges(parameters),
            generators.charges(gradient),
            learning_rate=learning_rate,
            weight_decay=weight_decay,
        )
        size = max(float(flatten(p, network.blocks).square().sum()) for p in (parameters, after))
        assert float((generators.charges(after) - wanted).abs().max()) <= 1e-12 * size
        last_terms.append(float((learning_rate**2 * generators.charges(gradient)).abs().max()) / size)
    # The identity would not hold without its last term.
    assert max(last_terms) > 1e-9


@pytest.mark.parametrize("name", ["relu", "linear", "attention", "net B"])
def test_mean_charge_of_a_step_gives_the_rate_of_the_flow(name: str, rng: np.random.Generator) -> None:
    """Averaged over all samples, batch 1: (C' - C)/eta = T Tr[Sigma A] - 4 gamma C and terms known exactly.

    These are the charge of the mean gradient and the square of the decay, both of order eta.
    """
    network = DECLARING[name]
    generators = Generators(network.blocks, network.families())
    parameters, pairs = drawn_parameters(network, rng), drawn_pairs(network, rng, 30)
    eta, gamma = 0.01, 0.05
    gradients = per_sample_gradients(network, parameters, pairs.x, pairs.y)
    mean = {name: value.mean(0) for name, value in gradients.items()}
    centred = {name: value - mean[name] for name, value in gradients.items()}
    noise_traces = generators.charges(centred).mean(0)
    charges = generators.charges(parameters)
    steps = next_charges(charges, generators.charges(gradients), learning_rate=eta, weight_decay=gamma)
    rate = charge_rate(charges, noise_traces, temperature=eta, weight_decay=gamma)
    extra = eta * generators.charges(mean) + 4.0 * eta * gamma**2 * charges
    torch.testing.assert_close((steps.mean(0) - charges) / eta, rate + extra, rtol=1e-9, atol=1e-11)
