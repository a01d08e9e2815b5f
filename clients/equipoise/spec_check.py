"""Check a spec before it is sent, and say what is wrong in the words of the spec itself."""

import difflib
from collections.abc import Mapping
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from equipoise.errors import ApiError, FieldError, InvalidSpecError, shortened
from equipoise_solver import specs
from equipoise_solver.specs.refusals import TAGS, allowed_by, is_inner_tag, written_path

TASKS: tuple[type[BaseModel], ...] = (
    specs.Stationary,
    specs.Simulate,
    specs.SimulateNetwork,
    specs.Compare,
    specs.Diffusion,
    specs.Equilibrium,
    specs.Symmetries,
)


def checked(spec: Any) -> specs.Spec:
    """Return a spec as its model, defaults filled in.

    Args:
        spec: a dictionary as in the API, or a model of `equipoise.specs`.

    Raises:
        InvalidSpecError: the spec makes no sense; its `errors` name the fields.
    """
    try:
        return specs.parse_spec(spec)
    except ValidationError as error:
        raise refused(spec, error) from None


def refused(spec: Any, error: ValidationError) -> ApiError:
    """Turn a validation error into the error that the service answers with."""
    errors = [_field_error(spec, item) for item in error.errors(include_url=False)]
    return InvalidSpecError("The spec makes no sense.", status=422, code="invalid_spec", errors=errors)


def _field_error(spec: Any, item: Mapping[str, Any]) -> FieldError:
    context = item.get("ctx", {})
    path = written_path(spec, item["loc"])
    if item["type"] == "does_not_fit":
        path = ".".join(part for part in (path, str(context["field"])) if part)
        # The rule names its field relative to the part that it belongs to.
        message = str(context["message"]).replace(f"{context['field']}=", f"{path}=", 1)
        return FieldError(path, message, context["given"], context["allowed"], context["remedy"])
    if item["type"] in ("union_tag_invalid", "union_tag_not_found"):
        tag = str(context["discriminator"]).strip("'")
        allowed = str(context.get("expected_tags") or _tags_at(item["loc"]))
        said = f"there is no such {tag}" if "tag" in context else f"its field {tag!r} is missing"
        return FieldError(path or "spec", said, context.get("tag"), allowed)
    if item["type"] == "model_attributes_type" and not path:
        return FieldError("spec", "not a spec", item["input"], "a dictionary or a model of equipoise.specs")
    if item["type"] == "missing":
        return FieldError(path, "missing", None, _tags_at(item["loc"]) or "a value")
    if item["type"] == "extra_forbidden":
        return FieldError(path, "no such field", item["input"], _siblings(item["loc"]))
    allowed = allowed_by(item)
    return FieldError(path, f"{path}={shortened(item['input'])}: need {allowed}.", item["input"], allowed)


def _tags_at(location: tuple[int | str, ...]) -> str:
    """The tags that the union at a place offers."""
    choices: list[type[BaseModel]] = list(TASKS)
    for part in location:
        choices = _below(choices, str(part))
    tags = [repr(choice.model_fields[tag].default) for choice in choices for tag in _tags_of(choice)]
    return ", ".join(dict.fromkeys(tags))


def _siblings(location: tuple[int | str, ...]) -> str:
    """The fields that exist beside an unknown one, the closest name first."""
    choices: list[type[BaseModel]] = list(TASKS)
    for part in location[:-1]:
        choices = _below(choices, str(part))
    names = [name for choice in choices[:1] for name in choice.model_fields]
    close = difflib.get_close_matches(str(location[-1]), names, n=1)
    return ", ".join([*close, *(name for name in names if name not in close)])


def _below(choices: list[type[BaseModel]], part: str) -> list[type[BaseModel]]:
    """Models that one step of pydantic's location leads to: the tag of a union chooses, a field descends."""
    if part.isdigit():
        return choices
    if is_inner_tag(part):
        return [choice for choice in choices if choice is specs.SimulateNetwork] or choices
    tagged = [
        choice
        for choice in choices
        if any(part == choice.model_fields[tag].default for tag in _tags_of(choice))
    ]
    if tagged:
        # Two kinds of simulations share the task, which then stands in the location twice: the plain one.
        return tagged if len(tagged) < len(choices) else tagged[:1]
    fields = [choice.model_fields[part] for choice in choices if part in choice.model_fields]
    return [model for field in fields for model in _models_in(field.annotation)]


def _tags_of(choice: type[BaseModel]) -> list[str]:
    return [tag for tag in TAGS if tag in choice.model_fields]


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in get_args(annotation) for model in _models_in(part)]
