"""Losses of one sample, by name, and the labels each takes."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from equipoise_solver.errors import InvalidModelError


def squared_error(prediction: Tensor, label: Tensor) -> Tensor:
    """|f - y|^2 summed over outputs, without a factor 1/2: (..., out), (..., out) -> (...,)."""
    return ((prediction - label) ** 2).sum(-1)


def logistic(prediction: Tensor, label: Tensor) -> Tensor:
    """log(1 + exp(-s f)) summed over outputs: (..., out), (..., out) -> (...,).

    Labels are 0 and 1, or -1 and 1: s is 1 for a positive label and -1 otherwise.
    """
    return functional.softplus(-torch.where(label > 0, prediction, -prediction)).sum(-1)


def cross_entropy(prediction: Tensor, label: Tensor) -> Tensor:
    """-log softmax(f)[class]: (..., out), (..., 1) -> (...,); the label is the class's number, from 0."""
    classes = label[..., :1].to(torch.int64)
    chosen = torch.gather(prediction, -1, classes).squeeze(-1)
    return torch.logsumexp(prediction, -1) - chosen


def _any_labels(labels: Tensor, n_outputs: int) -> None:
    """Every finite label is one for squared error."""


def _two_labels(labels: Tensor, n_outputs: int) -> None:
    is_bit = bool(((labels == 0) | (labels == 1)).all())
    is_sign = bool(((labels == -1) | (labels == 1)).all())
    if not is_bit and not is_sign:
        _refuse(labels, "labels 0 and 1, or -1 and 1, for the logistic loss")


def _class_labels(labels: Tensor, n_outputs: int) -> None:
    is_class = (labels == torch.round(labels)) & (labels >= 0) & (labels < n_outputs)
    if not bool(is_class.all()):
        _refuse(
            labels[~is_class], f"whole numbers from 0 to {n_outputs - 1}, the classes of {n_outputs} outputs"
        )


def _refuse(labels: Tensor, allowed: str) -> None:
    few = sorted(set(labels.flatten()[:1000].tolist()))[:5]
    raise InvalidModelError("data.y", given=few, allowed=allowed)


def _squared_error_root(prediction: Tensor) -> Tensor:
    return torch.diag_embed(torch.full_like(prediction, math.sqrt(2)))


def _logistic_root(prediction: Tensor) -> Tensor:
    return torch.diag_embed(torch.sqrt(torch.sigmoid(prediction) * torch.sigmoid(-prediction)))


def _cross_entropy_root(prediction: Tensor) -> Tensor:
    # With p = softmax(f): sum_j p_j (e_j - p)(e_j - p)' = diag(p) - p p', the second derivative.
    p = torch.softmax(prediction, dim=-1)
    offsets = torch.eye(p.shape[-1], dtype=p.dtype, device=p.device) - p[..., None]
    return offsets * torch.sqrt(p)[..., None, :]


@dataclass(frozen=True)
class Loss:
    """A loss of one sample.

    Attributes:
        function: predictions (..., out) and labels (..., label width) -> (...,).
        curvature_root: predictions (..., out) -> R (..., out, out) with R R' the second derivative of the
            loss with respect to the prediction, which does not depend on the label.
        labels_are_classes: one column of class numbers instead of one column per output.
        check_values: refuses labels, shape (n, label width), that the loss has no meaning for.
    """

    function: Callable[[Tensor, Tensor], Tensor]
    curvature_root: Callable[[Tensor], Tensor]
    labels_are_classes: bool
    check_values: Callable[[Tensor, int], None]

    def label_width(self, n_outputs: int) -> int:
        """Columns of y for so many outputs."""
        return 1 if self.labels_are_classes else n_outputs

    def check_labels(self, labels: Tensor, n_outputs: int) -> None:
        """Refuse labels that do not fit.

        Raises:
            InvalidModelError: field "data.y": a wrong number of columns, or values without a meaning.
        """
        width = self.label_width(n_outputs)
        if labels.ndim != 2 or labels.shape[1] != width:
            raise InvalidModelError(
                "data.y",
                given=f"shape {list(labels.shape)}",
                allowed=f"shape [n, {width}]",
                remedy="A row is one sample's label.",
            )
        self.check_values(labels, n_outputs)


LOSSES: dict[str, Loss] = {
    "squared_error": Loss(squared_error, _squared_error_root, False, _any_labels),
    "logistic": Loss(logistic, _logistic_root, False, _two_labels),
    "cross_entropy": Loss(cross_entropy, _cross_entropy_root, True, _class_labels),
}


def check_loss(name: str, n_outputs: int) -> None:
    """Refuse a loss that does not exist or does not fit.

    Raises:
        InvalidModelError: field "model.loss".
    """
    if name not in LOSSES:
        raise InvalidModelError("model.loss", given=name, allowed=f"one of {sorted(LOSSES)}")
    if LOSSES[name].labels_are_classes and n_outputs < 2:
        raise InvalidModelError(
            "model.loss",
            given=name,
            allowed="at least 2 outputs, one per class",
            remedy='Take "logistic" for two classes and one output.',
        )
