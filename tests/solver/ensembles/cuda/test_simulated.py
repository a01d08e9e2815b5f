"""The kernels of the card, simulated, against those of the CPU."""

import json
import os
import subprocess
import sys
from typing import Any

import pytest
from tests.solver.ensembles.cuda.cases import CASES


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_card_and_cpu_give_the_same_bits(name: str) -> None:
    """States, histogram, records and snapshots are the same; one last sum adds in another order."""
    outcome = simulated(name)
    assert outcome["differing"] == []
    cpu, card = outcome["scalars"]
    assert card.pop("total") == pytest.approx(cpu.pop("total"), rel=1e-12)
    for scalars in (cpu, card):
        scalars.pop("pilot", None)
    assert card == cpu
    assert outcome["n_samples"] > 0
    assert (cpu["n_lost"] > 0) == (name == "lost")
    assert (cpu["n_absorbed"] > 0) == (name == "absorbed")


def simulated(name: str) -> Any:
    """What `simulated.py` says of a case."""
    finished = subprocess.run(
        [sys.executable, "-m", "tests.solver.ensembles.cuda.simulated", name],
        env={**os.environ, "NUMBA_ENABLE_CUDASIM": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert finished.returncode == 0, finished.stderr[-2000:]
    return json.loads(finished.stdout)
