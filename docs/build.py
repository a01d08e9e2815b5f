"""Writes docs/reference.md from the code: `python -m docs.build`. A test fails when the page has drifted."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from equipoise_service.errors import JOB_ERRORS, REASONS
from equipoise_service.settings import PREFIX, Settings
from equipoise_solver.specs import json_schema
from equipoise_solver.specs.solutions import SOLUTION

PAGE = Path(__file__).parent / "reference.md"
OPENAPI = Path(__file__).parents[1] / "service" / "equipoise_service" / "openapi.json"
TASKS = (
    "Stationary",
    "Simulate",
    "SimulateNetwork",
    "Compare",
    "Diffusion",
    "Equilibrium",
    "Symmetries",
)
SOLUTIONS = tuple(f"{task}Solution" for task in TASKS)


def main() -> None:
    """Write the page."""
    PAGE.write_text(reference(), encoding="utf-8")


def reference() -> str:
    """The whole page."""
    return "\n".join(
        [
            "# Reference",
            "",
            "Written from the code by `python -m docs.build`.",
            "",
            "## Specs",
            "",
            *_tables(json_schema()["$defs"], TASKS),
            "## Solutions",
            "",
            "Arrays are lists in JSON and NumPy arrays in Python.",
            "",
            *_tables(_solution_parts(), SOLUTIONS),
            "## Routes",
            "",
            "| call | answer |",
            "|---|---|",
            *_routes(),
            "",
            "The whole API, with every field: `/docs` and `/openapi.json` of a running service.",
            "",
            "## Error codes",
            "",
            "Errors are `application/problem+json` (RFC 9457) with a stable `code`; `errors` names fields.",
            "",
            "| code | status | meaning |",
            "|---|---|---|",
            *(f"| `{code}` | {reason.status} | {reason.title} |" for code, reason in sorted(REASONS.items())),
            "",
            "A failed job carries one of these, or one of",
            "",
            *(f"- `{code}`: {text}" for code, text in sorted(JOB_ERRORS.items())),
            "",
            "## Settings",
            "",
            "Environment variables of the service; the first ones are options of `equipoise serve` as well.",
            "",
            "| variable | default | meaning |",
            "|---|---|---|",
            *_settings(),
            "",
        ]
    )


def _solution_parts() -> dict[str, Any]:
    """Schemas of the solutions' own parts; those of the specs have their section already."""
    parts: dict[str, Any] = SOLUTION.json_schema(mode="serialization")["$defs"]
    asked = json_schema()["$defs"]
    return {name: part for name, part in parts.items() if name not in asked}


def _tables(definitions: dict[str, Any], first: tuple[str, ...]) -> Iterator[str]:
    """A table of fields for each definition, the named ones first."""
    for name in (*first, *sorted(name for name in definitions if name not in first)):
        definition = definitions[name]
        yield f"### {name}"
        yield ""
        yield definition.get("description", "")
        yield ""
        yield "| field | default | meaning |"
        yield "|---|---|---|"
        for field, content in definition.get("properties", {}).items():
            yield f"| `{field}` | {_default(definition, field, content)} | {_meaning(content)} |"
        yield ""


def _default(definition: dict[str, Any], field: str, content: dict[str, Any]) -> str:
    if "const" in content:
        return f"`{json.dumps(content['const'])}`"
    if field in definition.get("required", []):
        return "required"
    return f"`{json.dumps(content.get('default'))}`"


def _meaning(content: dict[str, Any]) -> str:
    text = str(content.get("description", "")).replace("|", "\\|")
    bounds = [content, *content.get("anyOf", []), content.get("items", {})]
    words = {"minimum": ">=", "exclusiveMinimum": ">", "maximum": "<=", "exclusiveMaximum": "<"}
    limits = [f"{sign} {part[name]:g}" for part in bounds for name, sign in words.items() if name in part]
    choices = [json.dumps(choice) for part in bounds for choice in part.get("enum", [])]
    extra = ", ".join(limits or choices)
    return " ".join(part for part in (" ".join(text.split()), f"({extra})" if extra else "") if part)


def _routes() -> Iterator[str]:
    paths: dict[str, Any] = json.loads(OPENAPI.read_text(encoding="utf-8"))["paths"]
    for path, methods in sorted(paths.items()):
        for method, operation in methods.items():
            text = operation.get("description", operation["summary"]).split("\n\n")[0]
            yield f"| `{method.upper()} {path}` | {' '.join(text.split())} |"


def _settings() -> Iterator[str]:
    for name, field in Settings.model_fields.items():
        default = "" if field.default is None else f"`{_shown(field.default)}`"
        yield f"| `{PREFIX}{name.upper()}` | {default} | {field.description} |"


def _shown(value: Any) -> str:
    return ",".join(value) if isinstance(value, tuple) else str(value)


if __name__ == "__main__":
    main()
