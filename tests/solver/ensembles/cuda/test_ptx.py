"""The kernels of the card, compiled for an H100 without one."""

import re
from collections.abc import Callable
from types import SimpleNamespace

import numba.cuda.dispatcher
import pytest
from tests.solver.ensembles.cuda.cases import plan_of
from tests.solver.ensembles.cuda.ptx import CAPABILITY, assembly, resources, stepping_loop

KERNELS = ("reciprocal and coarse", "linear", "log_euler", "tamed_euler", "lost", "update")
"""Cases with a kernel each."""
PLANS = [(name, precision) for name in KERNELS for precision in ("float32", "float64")]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "precision"), PLANS)
def test_paths_stay_in_registers(
    name: str, precision: str, monkeypatch: pytest.MonkeyPatch, record_property: Callable[[str, object], None]
) -> None:
    """No local memory, no spills, no calls; a float32 path takes its steps without a float64 instruction."""
    # Without a driver, nested device functions have no device to ask for the target of their compilation.
    device = SimpleNamespace(compute_capability=CAPABILITY)
    monkeypatch.setattr(numba.cuda.dispatcher, "get_current_device", lambda: device)
    plan = plan_of(name, precision=precision)
    text = assembly(plan)
    assert not re.search(r"\bcall\b|\.local", text)
    loop = stepping_loop(text)
    doubles = [line for line in loop if ".f64" in line]
    # The power of |v| in the model of any depth is float64 on the CPU too.
    if precision == "float32" and plan.depth < 2:
        assert doubles == []
    used = resources(text)
    assert (used.stack, used.local) == (0, 0)
    per_step = len(loop) / plan.noise_source.steps
    row = f"{plan.scheme.name} {plan.noise_source.name} {precision}: {per_step:.0f} instructions a step"
    record_property("table: kernels of the card for sm_90", f"{row}, {used.registers} registers")
