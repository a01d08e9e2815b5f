"""Compiled training of chains of dense layers: a group of LANES networks, a step at a time, on lane arrays.

Every dynamics follows a weighted sum of gradients of samples, sum_s w_s grad l(theta, z_s): a minibatch has
weights 1/S, the whole set 1/n, and stochastic gradient flow adds to these its noise: sqrt(T/(h n)) (xi_s -
mean xi) gives the step -h sum w grad l the covariance T h Sigma, without any matrix of p x p.
"""

from typing import Any

import numpy as np
from numba import types

from equipoise_solver.ensembles.compiled import F8, I8, U4, U8, array_of, compiled, inlined, state_scalar
from equipoise_solver.ensembles.device import fma
from equipoise_solver.ensembles.noise.minibatch_epoch import shuffle
from equipoise_solver.ensembles.streams import INCREMENTS, MINIBATCHES
from equipoise_solver.networks.training.curves import LINEAR, activate, exponential_less_one, tanh
from equipoise_solver.networks.training.draws import LABELS, draw_indices, draw_normals, start_lanes
from equipoise_solver.networks.training.tiles import LANES, multiply

SQUARED_ERROR, LOGISTIC, CROSS_ENTROPY = 0, 1, 2
LOSS_CODES = {"squared_error": SQUARED_ERROR, "logistic": LOGISTIC, "cross_entropy": CROSS_ENTROPY}
REPLACEMENT, EPOCH, FRESH, WHOLE = 0, 1, 2, 3
"""Where the samples of a step come from: with replacement, by epoch, drawn from the teacher, all of them."""
QUIET, FLOW, ISOTROPIC = 0, 1, 2
"""What noise a step adds: none, that of stochastic gradient flow, or N(0, 1) on every parameter."""
CHUNK = 16
"""Samples that go through the network together: their activations stay in the cache."""
N_LAYERS, CURVE, LOSS, SOURCE, BATCH, N_SAMPLES, NOISE, LABEL_WIDTH = range(8)
"""Places in `settings`; then come the places in the workspace, in entries."""
X_AT, Y_AT, WEIGHTS_AT, DELTA_AT, OTHER_DELTA_AT, GRADIENT_AT, N_PARAMETERS = range(8, 15)
IN, OUT, WEIGHT_AT, BIAS_AT, OUT_AT, SLOPE_AT = range(6)
"""Columns of `layers`; the bias of a layer without is at -1."""
MOMENTUM, DECAY, LABEL_NOISE, LEAK = range(4)
"""Places in `numbers`; the decay is 2 gamma."""
_FARTHEST = -80.0
"""Where exp(z) counts as that of this number: 2e-35."""


@inlined
def _entries(values: Any, at: Any, n: Any) -> Any:
    """n entries of a lane array from `at` on; loops over such a view need no check for negative places."""
    return values[at * LANES : (at + n) * LANES]


@inlined
def _fill(values: Any, number: Any) -> None:
    for i in range(values.shape[0]):
        values[i] = number


@inlined
def _copy(values: Any, source: Any) -> None:
    for i in range(values.shape[0]):
        values[i] = source[i]


@inlined
def _take_rows(work: Any, at: Any, table: Any, indices: Any, first: Any, count: Any) -> None:
    """Put rows indices[first:first + count] of a table into a lane array, one row for every lane."""
    width = table.shape[1]
    for s in range(count):
        rows = _entries(work, at + s * width, width)
        for j in range(LANES):
            row = table[indices[first + s, j]]
            for i in range(width):
                rows[i * LANES + j] = row[i]


@inlined
def _take_shared(work: Any, at: Any, table: Any, first: Any, count: Any) -> None:
    """Put rows first .. first + count of a table into a lane array, the same for all lanes."""
    width = table.shape[1]
    for s in range(count):
        for i in range(width):
            entry = _entries(work, at + s * width + i, 1)
            for j in range(LANES):
                entry[j] = table[first + s, i]


@inlined
def _teach(
    work: Any,
    x_at: Any,
    y_at: Any,
    normals: Any,
    first: Any,
    count: Any,
    roots: Any,
    teacher: Any,
    noise_roots: Any,
) -> None:
    """Put samples first .. of a Gaussian teacher into a lane array: x = root z, y = V x + root e.

    normals (samples*(in + out), LANES): z and e of each sample.
    """
    n_in, n_out = roots.shape[0], noise_roots.shape[0]
    sums = np.empty(LANES)
    for s in range(count):
        place = (first + s) * (n_in + n_out)
        for i in range(n_in):
            _fill(sums, 0.0)
            for k in range(n_in):
                for j in range(LANES):
                    sums[j] = fma(roots[i, k], normals[place + k, j], sums[j])
            entry = _entries(work, x_at + s * n_in + i, 1)
            for j in range(LANES):
                entry[j] = sums[j]
        for i in range(n_out):
            _fill(sums, 0.0)
            for k in range(n_in):
                entry = _entries(work, x_at + s * n_in + k, 1)
                for j in range(LANES):
                    sums[j] += teacher[i, k] * entry[j]
            for k in range(n_out):
                for j in range(LANES):
                    sums[j] = fma(noise_roots[i, k], normals[place + n_in + k, j], sums[j])
            entry = _entries(work, y_at + s * n_out + i, 1)
            for j in range(LANES):
                entry[j] = sums[j]


@inlined
def _blame(loss: Any, outputs: Any, labels: Any, weights: Any, deltas: Any, count: Any, width: Any) -> None:
    """Put the weighted gradient of each sample's loss with respect to its prediction into `deltas`."""
    half, one = outputs.dtype.type(0.5), outputs.dtype.type(1.0)
    if loss == CROSS_ENTROPY:
        _blame_classes(outputs, labels, weights, deltas, count, width)
        return
    for s in range(count):
        weight = _entries(weights, s, 1)
        for i in range(width):
            f, y = _entries(outputs, s * width + i, 1), _entries(labels, s * width + i, 1)
            delta = _entries(deltas, s * width + i, 1)
            if loss == SQUARED_ERROR:
                for j in range(LANES):
                    gap = f[j] - y[j]
                    delta[j] = (gap + gap) * weight[j]
            else:
                for j in range(LANES):
                    chance = fma(half, tanh(half * f[j]), half)
                    delta[j] = (chance - one if y[j] > 0 else chance) * weight[j]


@inlined
def _blame_classes(outputs: Any, labels: Any, weights: Any, deltas: Any, count: Any, width: Any) -> None:
    """The same for cross entropy: w (softmax(f) - [class])."""
    kind = outputs.dtype.type
    lowest, zero, one = kind(_FARTHEST), kind(0.0), kind(1.0)
    tops, sums = np.empty(LANES, dtype=outputs.dtype), np.empty(LANES, dtype=outputs.dtype)
    for s in range(count):
        _copy(tops, _entries(outputs, s * width, 1))
        _fill(sums, zero)
        for i in range(1, width):
            f = _entries(outputs, s * width + i, 1)
            for j in range(LANES):
                tops[j] = f[j] if f[j] > tops[j] else tops[j]
        for i in range(width):
            f, delta = _entries(outputs, s * width + i, 1), _entries(deltas, s * width + i, 1)
            for j in range(LANES):
                off = f[j] - tops[j]
                delta[j] = exponential_less_one(lowest if off < lowest else off) + one
                sums[j] += delta[j]
        weight, label = _entries(weights, s, 1), _entries(labels, s, 1)
        for i in range(width):
            delta = _entries(deltas, s * width + i, 1)
            for j in range(LANES):
                delta[j] = (delta[j] / sums[j] - (one if label[j] == i else zero)) * weight[j]


@inlined
def _forward(parameters: Any, work: Any, settings: Any, layers: Any, leak: Any, count: Any) -> None:
    """Activations of count samples, and the slopes there."""
    n_layers = settings[N_LAYERS]
    h_at = settings[X_AT]
    for layer in range(n_layers):
        n_in, n_out, bias_at = layers[layer, IN], layers[layer, OUT], layers[layer, BIAS_AT]
        z_at = layers[layer, OUT_AT]
        if bias_at >= 0:
            for s in range(count):
                _copy(_entries(work, z_at + s * n_out, n_out), _entries(parameters, bias_at, n_out))
        multiply(
            work, h_at, n_in, 1,
            parameters, layers[layer, WEIGHT_AT], 1, n_in,
            work, z_at, n_out, 1,
            count, n_in, n_out, 1 if bias_at >= 0 else 0,
        )  # fmt: skip
        if layer < n_layers - 1 and settings[CURVE] != LINEAR:
            values = _entries(work, z_at, count * n_out)
            slopes = _entries(work, layers[layer, SLOPE_AT], count * n_out)
            activate(settings[CURVE], leak, values, slopes)
        h_at = z_at


@inlined
def _backward(parameters: Any, work: Any, settings: Any, layers: Any, count: Any) -> None:
    """Add the weighted gradients of count samples, from their delta at the output, to the gradient."""
    delta_at, next_at, gradient_at = settings[DELTA_AT], settings[OTHER_DELTA_AT], settings[GRADIENT_AT]
    for layer in range(settings[N_LAYERS] - 1, -1, -1):
        n_in, n_out, bias_at = layers[layer, IN], layers[layer, OUT], layers[layer, BIAS_AT]
        weight_at = layers[layer, WEIGHT_AT]
        h_at = layers[layer - 1, OUT_AT] if layer > 0 else settings[X_AT]
        multiply(
            work, delta_at, 1, n_out,
            work, h_at, n_in, 1,
            work, gradient_at + weight_at, n_in, 1,
            n_out, count, n_in, 1,
        )  # fmt: skip
        if bias_at >= 0:
            sums = _entries(work, gradient_at + bias_at, n_out)
            for s in range(count):
                delta = _entries(work, delta_at + s * n_out, n_out)
                for i in range(n_out * LANES):
                    sums[i] += delta[i]
        if layer > 0:
            multiply(
                work, delta_at, n_out, 1,
                parameters, weight_at, n_in, 1,
                work, next_at, n_in, 1,
                count, n_out, n_in, 0,
            )  # fmt: skip
            if settings[CURVE] != LINEAR:
                slopes = _entries(work, layers[layer - 1, SLOPE_AT], count * n_in)
                delta = _entries(work, next_at, count * n_in)
                for i in range(count * n_in * LANES):
                    delta[i] *= slopes[i]
            delta_at, next_at = next_at, delta_at


@inlined
def _descend(parameters: Any, momenta: Any, gradient: Any, momentum: Any, decay: Any, rate: Any) -> None:
    """theta <- theta - rate m, m <- momentum m + gradient + decay theta; all in the type of the state."""
    if momenta.shape[0] > 0:
        for i in range(parameters.shape[0]):
            moved = fma(momentum, momenta[i], fma(decay, parameters[i], gradient[i]))
            momenta[i] = moved
            parameters[i] = fma(-rate, moved, parameters[i])
    else:
        for i in range(parameters.shape[0]):
            parameters[i] = fma(-rate, fma(decay, parameters[i], gradient[i]), parameters[i])


@inlined
def _weigh(weights: Any, normals: Any, means: Any, first: Any, count: Any, share: Any, spread: Any) -> None:
    """Weights of samples first .. : share + spread (xi - mean xi), where spread is 0 without noise."""
    for s in range(count):
        weight = _entries(weights, s, 1)
        if spread > 0.0:
            for j in range(LANES):
                weight[j] = share + spread * (normals[first + s, j] - means[j])
        else:
            for j in range(LANES):
                weight[j] = share


@inlined
def _mean_over_samples(normals: Any, n: Any, means: Any) -> None:
    _fill(means, 0.0)
    for s in range(n):
        for j in range(LANES):
            means[j] += normals[s, j]
    for j in range(LANES):
        means[j] /= n


@inlined
def _add_normals(parameters: Any, normals: Any, n: Any, spread: Any) -> None:
    for i in range(n):
        entry = _entries(parameters, i, 1)
        for j in range(LANES):
            entry[j] += spread * normals[i, j]


@inlined
def _take_turn(
    indices: Any,
    shuffles: Any,
    key: Any,
    first_path: Any,
    n: Any,
    size: Any,
    step: Any,
    is_fresh: Any,
) -> Any:
    """Put the samples of a step of an epoch into `indices`, and return how many there are."""
    n_batches = (n + size - 1) // size
    start = (step % n_batches) * size
    count = min(size, n - start)
    if start == 0 or is_fresh:
        shuffle(shuffles, n, LANES, key, first_path, step // n_batches)
    for s in range(count):
        for j in range(LANES):
            indices[s, j] = shuffles[j, start + s]
    return count


def run_steps(
    parameters: Any,
    momenta: Any,
    rates: Any,
    spreads: Any,
    first_step: Any,
    key: Any,
    first_path: Any,
    settings: Any,
    numbers: Any,
    layers: Any,
    x: Any,
    y: Any,
    roots: Any,
    teacher: Any,
    noise_roots: Any,
    work: Any,
    normals: Any,
    label_normals: Any,
    indices: Any,
    shuffles: Any,
) -> None:
    """Train a group of networks for rates.size steps.

    Args:
        parameters: lane array of p entries, changed.
        momenta: likewise, or of none.
        rates: learning rate or step size of each step, shape (steps,).
        spreads: of each step, shape (steps,): spread of the weights for FLOW, standard deviation of the
            noise on parameters for ISOTROPIC.
        first_step: number of the first step.
        key: halves of the seed, shape (2,).
        first_path: path of lane 0.
        settings: see the places above.
        numbers: likewise.
        layers: a row for each layer, see the columns above.
        x: inputs, shape (n, in); of none for FRESH.
        y: labels, shape (n, label width).
        roots: root of the covariance of x, shape (in, in), for FRESH.
        teacher: shape (out, in), for FRESH.
        noise_roots: root of the covariance of the labels' noise, shape (out, out), for FRESH.
        work: lane array.
        normals: shape (n, LANES), as many as a step needs.
        label_normals: shape (CHUNK*label width, LANES).
        indices: shape (batch, LANES), int32.
        shuffles: shape (LANES, n), int32, for EPOCH.
    """
    words = np.empty((4, LANES), dtype=np.uint32)
    label_words = np.empty((4, LANES), dtype=np.uint32)
    products = np.empty(LANES, dtype=np.uint64)
    means = np.zeros(LANES)
    kind = parameters.dtype.type
    momentum, decay, leak = kind(numbers[MOMENTUM]), kind(numbers[DECAY]), kind(numbers[LEAK])
    source, n, width = settings[SOURCE], settings[N_SAMPLES], settings[LABEL_WIDTH]
    has_label_noise = numbers[LABEL_NOISE] > 0.0
    last = settings[N_LAYERS] - 1
    n_out = layers[last, OUT]
    x_at, y_at = settings[X_AT], settings[Y_AT]
    gradient = _entries(work, settings[GRADIENT_AT], settings[N_PARAMETERS])
    weights = _entries(work, settings[WEIGHTS_AT], CHUNK)
    for step in range(first_step, first_step + rates.shape[0]):
        place = step - first_step
        size = n if source == WHOLE else settings[BATCH]
        if source == EPOCH:
            size = _take_turn(indices, shuffles, key, first_path, n, size, step, place == 0)
        elif source != WHOLE:
            start_lanes(words, key, first_path, MINIBATCHES, step)
            if source == REPLACEMENT:
                draw_indices(indices, size, n, words, products)
            else:
                draw_normals(normals, size * (roots.shape[0] + width), words)
        if has_label_noise:
            start_lanes(label_words, key, first_path, LABELS, step)
        spread = spreads[place] if settings[NOISE] == FLOW else 0.0
        if spread > 0.0:
            start_lanes(words, key, first_path, INCREMENTS, step)
            draw_normals(normals, n, words)
            _mean_over_samples(normals, n, means)
        _fill(gradient, 0.0)
        for first in range(0, size, CHUNK):
            count = min(CHUNK, size - first)
            if source == WHOLE:
                _take_shared(work, x_at, x, first, count)
                _take_shared(work, y_at, y, first, count)
            elif source == FRESH:
                _teach(work, x_at, y_at, normals, first, count, roots, teacher, noise_roots)
            else:
                _take_rows(work, x_at, x, indices, first, count)
                _take_rows(work, y_at, y, indices, first, count)
            if has_label_noise:
                draw_normals(label_normals, count * width, label_words)
                _add_normals(work[y_at * LANES :], label_normals, count * width, numbers[LABEL_NOISE])
            _weigh(weights, normals, means, first, count, 1.0 / size, spread)
            _forward(parameters, work, settings, layers, leak, count)
            _blame(
                settings[LOSS],
                _entries(work, layers[last, OUT_AT], count * n_out),
                _entries(work, y_at, count * width),
                weights,
                _entries(work, settings[DELTA_AT], count * n_out),
                count,
                n_out,
            )
            _backward(parameters, work, settings, layers, count)
        _descend(parameters, momenta, gradient, momentum, decay, kind(rates[place]))
        if settings[NOISE] == ISOTROPIC and spreads[place] > 0.0:
            start_lanes(words, key, first_path, INCREMENTS, step)
            draw_normals(normals, settings[N_PARAMETERS], words)
            _add_normals(parameters, normals, settings[N_PARAMETERS], spreads[place])


def compiled_steps(precision: str) -> Any:
    """`run_steps` for parameters of that precision."""
    kind = state_scalar(precision)
    flat, table = array_of(kind, 1), array_of(kind, 2)
    ints, floats, whole = array_of(I8, 1), array_of(F8, 1), array_of(types.int32, 2)
    signature = types.void(
        flat, flat, floats, floats, I8, array_of(U4, 1), U8, ints, floats, array_of(I8, 2),
        table, table, array_of(F8, 2), array_of(F8, 2), array_of(F8, 2),
        flat, array_of(F8, 2), array_of(F8, 2), whole, whole,
    )  # fmt: skip
    return compiled(run_steps, signature)
