"""Data of a spec as the numerics want them: samples as arrays, or their moments."""

import numpy as np
from numpy.typing import NDArray

from equipoise_solver.errors import InvalidModelError
from equipoise_solver.specs import DatasetData, GaussianData, MomentsData, SamplesData
from equipoise_solver.tasks.work import LoadDataset
from equipoise_solver.theory import DataMoments

# Relative spread below which the values of a column differ by rounding alone.
_ROUNDING = 1e-12
Samples = tuple[NDArray[np.float64], NDArray[np.float64]]


def load_samples(data: SamplesData | DatasetData, *, load_dataset: LoadDataset | None) -> Samples:
    """The pairs (x, y), each of shape (n,), standardised if the spec asks for it.

    Raises:
        InvalidModelError: the dataset does not exist, or a column to be standardised is constant.
    """
    if isinstance(data, SamplesData):
        x, y = np.array(data.x), np.array(data.y)
    else:
        x, y = _one_column(load_uploaded(data.id, load_dataset))
    return (standardized(x, "data.x"), standardized(y, "data.y")) if data.standardize else (x, y)


def moments_of(
    data: GaussianData | MomentsData | SamplesData | DatasetData, *, load_dataset: LoadDataset | None
) -> DataMoments:
    """Noise and landscape parameters of the data of a spec."""
    match data:
        case GaussianData():
            return DataMoments.from_gaussian(data.slope, data.noise_std, data.input_std)
        case MomentsData():
            return DataMoments.from_values(data.alpha1, data.alpha2, data.alpha3, data.beta1, data.beta2)
        case SamplesData() | DatasetData():
            return DataMoments.from_samples(*load_samples(data, load_dataset=load_dataset))


def load_uploaded(dataset_id: str, load_dataset: LoadDataset | None) -> Samples:
    """Inputs and labels of an uploaded dataset, each of shape (n,), or (n, k) for vectors.

    Raises:
        InvalidModelError: there is none of this id, or no store of datasets.
    """
    allowed = "the id of an uploaded dataset"
    if load_dataset is None:
        raise InvalidModelError(
            "data.id", given=dataset_id, allowed=allowed, remedy="No store of datasets is attached here."
        )
    try:
        return load_dataset(dataset_id)
    except KeyError:
        raise InvalidModelError(
            "data.id", given=dataset_id, allowed=allowed, remedy="Upload it first."
        ) from None


def _one_column(samples: Samples) -> Samples:
    for name, column in zip(("inputs", "labels"), samples, strict=True):
        if column.ndim > 1:
            raise InvalidModelError(
                "data.id",
                given=f"{name} of {column.shape[1]} numbers",
                allowed="a dataset of one column x and one column y with this model",
                remedy="Vectors are for networks, such as model 'linear'.",
            )
    return samples


def standardized(column: NDArray[np.float64], field: str) -> NDArray[np.float64]:
    """A column of mean 0 and (population) standard deviation 1.

    Raises:
        InvalidModelError: it is constant.
    """
    centred: NDArray[np.float64] = column - column.mean()
    spread = float(np.sqrt(np.mean(centred**2)))
    if spread <= _ROUNDING * float(np.abs(column).max()):
        raise InvalidModelError(
            field,
            given=float(column[0]),
            allowed="values that differ by more than rounding",
            remedy="The column is constant, so it cannot be standardised.",
        )
    result: NDArray[np.float64] = centred / spread
    return result
