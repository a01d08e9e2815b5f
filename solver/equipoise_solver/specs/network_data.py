"""Data of the networks: pairs of vectors, by a linear teacher, inline, or uploaded before."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BeforeValidator, Field, model_validator

from equipoise_solver.specs.base import AtLeast, Bounded, Count, Part, plain, refusal
from equipoise_solver.specs.data import MAX_INLINE_SAMPLES, DatasetData
from equipoise_solver.specs.network_models import Network, check_network

MAX_INLINE_NUMBERS = 2_000_000
MAX_TEACHER_WIDTH = 1024
ASYMMETRY = 1e-9
"""Relative asymmetry, and relative size of a negative eigenvalue, that count as rounding."""


def _rows(value: Any) -> Any:
    """Rows of numbers; a list of numbers is a column of rows of one."""
    value = plain(value)
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [[row] if isinstance(row, int | float) else plain(row) for row in value]
    return value


def _matrix(value: Any) -> Any:
    value = plain(value)
    return [plain(row) for row in value] if isinstance(value, Sequence) else value


Row = Annotated[tuple[Bounded, ...], Field(max_length=MAX_INLINE_NUMBERS), AtLeast(1)]
Rows = Annotated[tuple[Row, ...], BeforeValidator(_rows), AtLeast(2), Field(max_length=MAX_INLINE_SAMPLES)]
Matrix = Annotated[tuple[Row, ...], BeforeValidator(_matrix), AtLeast(1), Field(max_length=MAX_TEACHER_WIDTH)]


class TeacherData(Part):
    """y = teacher x + noise, x ~ N(0, input_cov), noise ~ N(0, noise_cov)."""

    kind: Literal["teacher"] = "teacher"
    teacher: Matrix
    """V, shape (out, in)."""
    input_cov: Matrix | None = None
    """Covariance of the inputs, shape (in, in), symmetric, no negative eigenvalue; null is the identity."""
    noise_cov: Matrix | None = None
    """Covariance of the label noise, shape (out, out), as `input_cov`; null is the identity."""
    n_samples: Annotated[Count, Field(ge=2, le=MAX_INLINE_SAMPLES)] | None = None
    """Draw so many pairs, once, and keep to them; null is all that the teacher would ever draw."""
    seed: Annotated[Count, Field(ge=0, lt=2**63)] = 0
    """Seed of that draw."""

    @model_validator(mode="after")
    def _shapes_and_covariances_fit(self) -> Self:
        n_out, n_in = check_matrix("teacher", self.teacher)
        for name, matrix, size in (("input_cov", self.input_cov, n_in), ("noise_cov", self.noise_cov, n_out)):
            if matrix is not None:
                check_covariance(name, matrix, size)
        return self

    @property
    def n_inputs(self) -> int:
        """Numbers in an input."""
        return len(self.teacher[0])

    @property
    def n_labels(self) -> int:
        """Numbers in a label."""
        return len(self.teacher)


class RowsData(Part):
    """An empirical distribution: pairs of vectors (x_i, y_i), each with the same weight."""

    kind: Literal["samples"] = "samples"
    x: Rows
    """Inputs, shape (n, in); a list of n numbers is (n, 1)."""
    y: Rows
    """Labels, shape (n, out); a list of n numbers is (n, 1)."""
    standardize: bool = Field(default=False, strict=True)
    """Shift and scale columns to mean 0 and standard deviation 1 first; y with loss "squared_error" alone."""

    @model_validator(mode="after")
    def _shapes_fit(self) -> Self:
        if len(self.x) != len(self.y):
            raise refusal("y", given=f"{len(self.y)} rows", allowed=f"as many rows as x has, {len(self.x)}")
        n_numbers = sum(check_matrix(name, rows)[1] for name, rows in (("x", self.x), ("y", self.y)))
        if n_numbers * len(self.x) > MAX_INLINE_NUMBERS:
            raise refusal(
                "x",
                given=f"{n_numbers * len(self.x)} numbers",
                allowed=f"at most {MAX_INLINE_NUMBERS} numbers in x and y",
                remedy="Upload them as a dataset.",
            )
        return self

    @property
    def n_inputs(self) -> int:
        """Numbers in an input."""
        return len(self.x[0])

    @property
    def n_labels(self) -> int:
        """Numbers in a label."""
        return len(self.y[0])


NetworkData = Annotated[TeacherData | RowsData | DatasetData, Field(discriminator="kind")]


def check_matrix(field: str, rows: Sequence[Sequence[float]]) -> tuple[int, int]:
    """Shape of a matrix given by rows.

    Raises:
        PydanticCustomError: rows differ in length.
    """
    for place, row in enumerate(rows):
        if len(row) != len(rows[0]):
            raise refusal(
                field,
                given=f"{len(row)} numbers in row {place + 1}",
                allowed=f"as many numbers in each row as in the first, {len(rows[0])}",
            )
    return len(rows), len(rows[0])


def check_symmetric(field: str, rows: Sequence[Sequence[float]]) -> NDArray[np.float64]:
    """The matrix, if it is square and symmetric.

    Raises:
        PydanticCustomError: it is not; the message says by how much.
    """
    shape = check_matrix(field, rows)
    if shape[0] != shape[1]:
        raise refusal(field, given=f"shape {shape}", allowed="as many rows as columns")
    matrix = np.array(rows, dtype=np.float64)
    gap, size = float(np.abs(matrix - matrix.T).max()), float(np.abs(matrix).max())
    if gap > ASYMMETRY * size:
        row, column = divmod(int(np.abs(matrix - matrix.T).argmax()), shape[0])
        raise refusal(
            field,
            given=f"entries ({row + 1}, {column + 1}) and ({column + 1}, {row + 1}) that differ by {gap:.3g}",
            allowed="a symmetric matrix",
            remedy="Take (M + M')/2 if that is what is meant.",
        )
    return 0.5 * (matrix + matrix.T)


def check_covariance(field: str, rows: Sequence[Sequence[float]], size: int) -> None:
    """Refuse a matrix that is no covariance of `size` numbers; a singular one passes.

    Raises:
        PydanticCustomError: its shape does not fit, it is not symmetric, or has a negative eigenvalue.
    """
    shape = check_matrix(field, rows)
    if shape != (size, size):
        raise refusal(field, given=f"shape {shape}", allowed=f"shape {(size, size)}, to fit the teacher")
    values = np.linalg.eigvalsh(check_symmetric(field, rows))
    if values[0] < -ASYMMETRY * abs(values[-1]) or values[-1] < 0:
        raise refusal(
            field,
            given=f"the eigenvalue {values[0]:.6g}",
            allowed="no negative eigenvalue: a covariance has none",
        )


def check_fit(model: Network, data: TeacherData | RowsData | DatasetData) -> None:
    """Refuse a network that is too large, and data whose vectors are not those that it takes.

    Raises:
        PydanticCustomError: it is, a width does not fit, or the loss wants other labels.
    """
    check_network(model)
    if isinstance(data, TeacherData) and model.loss != "squared_error":
        raise refusal(
            "model.loss",
            given=model.loss,
            allowed="'squared_error' with data of a teacher, whose labels are any real numbers",
            remedy="Give samples or a dataset with labels of the loss.",
        )
    if isinstance(data, DatasetData):
        return
    inputs, labels = ("teacher", "teacher") if isinstance(data, TeacherData) else ("x", "y")
    if data.n_inputs != model.n_inputs:
        raise refusal(
            f"data.{inputs}",
            given=f"inputs of {data.n_inputs} numbers",
            allowed=f"inputs of {model.n_inputs}, as many as the model takes",
        )
    if data.n_labels != model.n_labels:
        raise refusal(
            f"data.{labels}",
            given=f"labels of {data.n_labels} numbers",
            allowed=f"labels of {model.n_labels}, as many as loss {model.loss!r} of the model takes",
        )
    if isinstance(data, RowsData):
        check_labels(model, np.array(data.y, dtype=np.float64))


def check_labels(model: Network, labels: NDArray[np.float64]) -> None:
    """Refuse labels that the loss cannot score.

    Raises:
        PydanticCustomError: logistic labels other than 0 and 1 (or -1 and 1), or no number of a class.
    """
    match model.loss:
        case "squared_error":
            return
        case "logistic":
            known = np.array([-1.0, 1.0] if (labels == -1.0).any() else [0.0, 1.0])
            allowed = "labels 0 and 1, or -1 and 1, alone, with loss 'logistic'"
        case "cross_entropy":
            known = np.arange(model.n_outputs)
            allowed = f"the number of a class, 0 to {known[-1]}, with loss 'cross_entropy'"
    wrong = labels[~np.isin(labels, known)]
    if wrong.size:
        raise refusal("data.y", given=float(wrong[0]), allowed=allowed)
