"""Which machine computes an ensemble: "cpu", a graphics card "cuda:N", or "auto".

A card follows paths with a fixed clock by the functions of the CPU's kernels, in the same precision; results
agree to rounding. Only asking for a card looks for one: that imports numba-cuda, which takes a second.
"""

import ctypes
import importlib.util
import re
from collections.abc import Callable
from functools import partial
from typing import Any

from numba.core import config as _untyped_config

from equipoise_solver.ensembles.plan import EnsemblePlan
from equipoise_solver.errors import InvalidModelError, UnsupportedCombinationError

_config: Any = _untyped_config
CPU, AUTO = "cpu", "auto"
WORTH_IT = 1e10
"""Path-steps from which "auto" takes a card: some seconds of a CPU, as long as a card needs to get ready."""
_CARD = re.compile(r"cuda:(\d+)")
_DRIVERS = ("libcuda.so.1", "nvcuda.dll")
_INSTALL = "Install it by: pip install 'equipoise[gpu]'; or take device='cpu'."
_CHECK = "See whether `nvidia-smi` finds a card and a driver of CUDA 13 or later; or take device='cpu'."


def available_devices() -> tuple[str, ...]:
    """The devices of this machine, "cpu" first."""
    return (CPU,) if _obstacle() else (CPU, *(f"cuda:{i}" for i in range(_n_cards())))


def resolve_device(name: str, plan: EnsemblePlan) -> str:
    """The device that a plan runs on if `name` is asked for: "cpu" or "cuda:N".

    Raises:
        InvalidModelError: no device has that name, or this machine lacks what it needs.
        UnsupportedCombinationError: a card is asked for by name, and the plan runs on the CPU only.
    """
    check_device(name)
    if name == CPU:
        return CPU
    if name == AUTO:
        return "cuda:0" if plan.path_steps >= WORTH_IT and runs_on_card(plan) and not _obstacle() else CPU
    if not runs_on_card(plan):
        raise UnsupportedCombinationError(
            "device",
            given=name,
            allowed="'cpu' or 'auto' for these dynamics",
            remedy="A card takes sgf by the schemes with a fixed step, and sgd of one neuron of depth 1 in "
            "batches of 16 or more of gaussian data, without momentum; no first_passage.",
        )
    return name


def check_device(name: str) -> None:
    """Refuse a name that no device of this machine has.

    Raises:
        InvalidModelError: no device has that name, or this machine lacks what it needs.
    """
    if name in (CPU, AUTO):
        return
    found = _CARD.fullmatch(name)
    if not found:
        raise InvalidModelError("device", given=name, allowed="'auto', 'cpu' or 'cuda:N' with a number N")
    obstacle = _obstacle()
    if obstacle:
        allowed, remedy = obstacle
        raise InvalidModelError("device", given=name, allowed=allowed, remedy=remedy)
    if int(found[1]) >= _n_cards():
        names = "', '".join(available_devices())
        raise InvalidModelError("device", given=name, allowed=f"one of 'auto', '{names}' on this machine")


def runs_on_card(plan: EnsemblePlan) -> bool:
    """Whether a card has kernels for a plan."""
    if not _has_numba_cuda():
        return False
    from equipoise_solver.ensembles.cuda.kernels import has_kernel

    return has_kernel(plan)


def on_card(device: str, plan: EnsemblePlan) -> Callable[..., Any] | None:
    """What moves the paths of a plan on a card; None on the CPU, and for what a card does not take."""
    found = _CARD.fullmatch(device)
    if not found or not runs_on_card(plan):
        return None
    from equipoise_solver.ensembles.cuda.launch import drive_steps

    return partial(drive_steps, index=int(found[1]))


def _obstacle() -> tuple[str, str] | None:
    """What is needed for a card and not there, and what to do; None if a card can be used."""
    if not _has_numba_cuda():
        return "'cpu' or 'auto': the package numba-cuda is not installed here", _INSTALL
    if not _config.ENABLE_CUDASIM and not _has_driver():
        return "'cpu' or 'auto': this machine has no NVIDIA driver", _CHECK
    cuda = _cuda()
    if not cuda.is_available() or _n_cards() == 0:
        return "'cpu' or 'auto': no graphics card answers to the NVIDIA driver here", _CHECK
    return None


def _has_numba_cuda() -> bool:
    return importlib.util.find_spec("numba_cuda") is not None


def _has_driver() -> bool:
    """Whether the driver's library is there: the system knows at once, numba-cuda takes a second."""
    for name in _DRIVERS:
        try:
            ctypes.CDLL(name)
        except OSError:
            continue
        return True
    return False


def _n_cards() -> int:
    return len(_cuda().gpus)


def _cuda() -> Any:
    from numba import cuda

    return cuda
