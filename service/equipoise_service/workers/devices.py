"""The devices of a machine as workers see them: the processors, and the cards the driver shows."""

import ctypes
import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from equipoise_service.errors import SettingsError
from equipoise_service.jobs.queues import CPU_WORKER, queues_for
from equipoise_service.settings import PREFIX, Settings
from equipoise_solver.errors import InvalidModelError

CPU = "cpu"
_VISIBLE = "CUDA_VISIBLE_DEVICES"
_NAME_BYTES = 128


@dataclass(frozen=True)
class Card:
    """A graphics card.

    Attributes:
        number: N of its name cuda:N.
        name: what its maker calls it.
        memory_bytes: its memory, [bytes].
    """

    number: int
    name: str
    memory_bytes: int


def visible_cards() -> list[Card]:
    """The cards of this machine that this process may use; asks the driver, and reserves nothing on them."""
    driver = _driver()
    count = ctypes.c_int()
    if driver is None or driver.cuInit(0) != 0 or driver.cuDeviceGetCount(ctypes.byref(count)) != 0:
        return []
    return [_card(driver, number) for number in range(count.value)]


def device_for(name: str) -> str:
    """The device of one worker: "cpu" or "cuda:N".

    Args:
        name: "cpu", "cuda:N", or "auto": a card if there is one that can be used.

    Raises:
        SettingsError: that card is not there, or cannot be used.
    """
    if name == CPU or (name == "auto" and _driver() is None):
        return CPU
    from equipoise_solver.ensembles.devices import available_devices, check_device

    if name == "auto":
        return (*available_devices(), CPU)[1]
    try:
        check_device(name)
    except InvalidModelError as error:
        raise SettingsError(
            f"{PREFIX}DEVICE={name!r}: need {error.allowed}. {error.remedy or 'Choose one of these.'}"
        ) from error
    return name


def devices_for_all() -> list[str]:
    """The devices of a machine that gives each one a worker: the processors, and every card."""
    if _driver() is None:
        return [CPU]
    from equipoise_solver.ensembles.devices import available_devices

    return list(available_devices())


def devices_in_use(devices: Sequence[str], settings: Settings) -> list[str]:
    """Those of some devices whose workers have a queue to serve.

    Raises:
        SettingsError: the settings name a queue that none of them serves.
    """
    served = {device: queues_for(device, settings.queues) for device in devices}
    left = sorted(set(settings.queues or ()).difference(*served.values()))
    if left:
        raise SettingsError(
            f"{PREFIX}QUEUES={','.join(settings.queues or ())!r}: {', '.join(devices)} cannot serve "
            f"{', '.join(left)}, which takes a graphics card; need some of {', '.join(CPU_WORKER)}. Leave "
            f"{', '.join(left)} out, or set {PREFIX}DEVICE to a card."
        )
    return [device for device in devices if served[device]]


def reserve(device: str) -> str:
    """Let this process, and those that it starts, see no other card than its own.

    So a card has the same name for the work wherever it is, and results do not tell cards apart.

    Args:
        device: "cpu" or "cuda:N".

    Returns:
        The device under its new name: "cpu" or "cuda:0".
    """
    if device == CPU:
        return CPU
    number = int(device.split(":")[1])
    visible = [part.strip() for part in os.environ.get(_VISIBLE, "").split(",") if part.strip()]
    os.environ[_VISIBLE] = visible[number] if visible else str(number)
    return "cuda:0"


def capabilities(device: str, settings: Settings) -> dict[str, Any]:
    """What a worker can do, as JSON.

    Args:
        device: "cpu" or "cuda:N", as this process sees it.
        settings: settings of the worker.
    """
    from importlib.metadata import PackageNotFoundError, version

    card = None
    if device != CPU:
        card = next((card for card in visible_cards() if f"cuda:{card.number}" == device), None)
    found = {}
    for package in ("numba", "numpy", "torch"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = ""
    return {
        "cpu": _cpu_model(),
        "cores": os.cpu_count() or 1,
        "threads": settings.worker_threads,
        "memory_bytes": _memory_bytes(),
        "card": None if card is None else card.name,
        "card_memory_bytes": None if card is None else card.memory_bytes,
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        **{name: text for name, text in found.items() if text},
    }


def _driver() -> Any:
    for name in ("libcuda.so.1", "nvcuda.dll"):
        try:
            return ctypes.CDLL(name)
        except OSError:
            continue
    return None


def _card(driver: Any, number: int) -> Card:
    handle, size = ctypes.c_int(), ctypes.c_size_t()
    name = ctypes.create_string_buffer(_NAME_BYTES)
    driver.cuDeviceGet(ctypes.byref(handle), number)
    driver.cuDeviceGetName(name, _NAME_BYTES, handle)
    driver.cuDeviceTotalMem_v2(ctypes.byref(size), handle)
    return Card(number, name.value.decode("utf-8", "replace"), size.value)


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "")


def _memory_bytes() -> int:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError, AttributeError):
        return 0
