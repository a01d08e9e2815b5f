"""What can be asked: any of the tasks."""

from typing import Annotated, Any

from pydantic import ConfigDict, Field, TypeAdapter

from equipoise_solver.specs.diffusion import Diffusion
from equipoise_solver.specs.equilibrium import Equilibrium
from equipoise_solver.specs.sweep import Sweep
from equipoise_solver.specs.symmetry_search import Symmetries
from equipoise_solver.specs.tasks import AnySimulate, Compare, Stationary

Spec = Annotated[
    Stationary | AnySimulate | Compare | Diffusion | Equilibrium | Symmetries | Sweep,
    Field(discriminator="task"),
]
SPEC: TypeAdapter[Spec] = TypeAdapter(Spec, config=ConfigDict(defer_build=True))


def parse_spec(spec: Any) -> Spec:
    """Validate a spec given as a dictionary or as a spec model.

    Raises:
        pydantic.ValidationError: a field is unknown, missing, of the wrong kind or out of bounds.
    """
    return SPEC.validate_python(spec)


def json_schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of all specs, with descriptions and examples."""
    return SPEC.json_schema()
