"""How Noether charges C_k = theta' A_k theta change: along stochastic gradient flow, and in a step of SGD."""

from torch import Tensor


def charge_rate(
    charges: Tensor, noise_traces: Tensor, *, temperature: float, weight_decay: float = 0.0
) -> Tensor:
    """dC/dt = T Tr[Sigma A] - 4 gamma C along stochastic gradient flow, without noise of its own.

    Args:
        charges: C, shape (..., m), [parameter^2].
        noise_traces: Tr[Sigma A_k], Sigma the covariance of a sample's gradient, shape (..., m).
        temperature: T = learning_rate/batch_size, >= 0.
        weight_decay: gamma, >= 0.

    Returns:
        shape (..., m), [parameter^2/time].
    """
    return temperature * noise_traces - 4.0 * weight_decay * charges


def next_charges(
    charges: Tensor, gradient_charges: Tensor, *, learning_rate: float, weight_decay: float = 0.0
) -> Tensor:
    """Charges after one step of SGD: C' = (1 - 2 eta gamma)^2 C + eta^2 g' A g, exactly.

    With theta' = (1 - 2 eta gamma) theta - eta g the mixed term vanishes, as g' A theta = 0 for the
    gradient g of any minibatch, without decay.

    Args:
        charges: C before the step, shape (..., m).
        gradient_charges: g' A_k g, that is `Generators.charges` of the gradient, shape (..., m).
        learning_rate: eta, > 0.
        weight_decay: gamma, >= 0.
    """
    kept = 1.0 - 2.0 * learning_rate * weight_decay
    return kept**2 * charges + learning_rate**2 * gradient_charges
