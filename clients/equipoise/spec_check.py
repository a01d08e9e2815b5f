"""Check a spec before it is sent, and say what is wrong in the words of the spec itself."""

import difflib
from collections.abc import Mapping
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from equipoise.errors import ApiError, FieldError, InvalidSpecError, shortened
from equipoise_solver import specs

TASKS: dict[str, type[BaseModel]] = {
    "stationary": specs.Stationary,
    "simulate": specs.Simulate,
    "compare": specs.Compare,
}
TAGS = ("task", "kind")
_BOUNDS = {"gt": ">", "ge": ">=", "lt": "<", "le": "<="}
_SIZES = {"min_length": "at least", "max_length": "at most"}
_KINDS = {
    "float_type": "a number",
    "float_parsing": "a number",
    "finite_number": "a finite number",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "int_parsing": "a whole number",
    "string_type": "a string",
    "bool_type": "true or false",
    "list_type": "a list",
    "tuple_type": "a list",
    "dict_type": "an object",
    "model_type": "an object",
    "model_attributes_type": "an object",
}


def checked(spec: Any) -> specs.Stationary | specs.Simulate | specs.Compare:
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
    path = field_path(spec, tuple(item["loc"]))
    if item["type"] == "does_not_fit":
        path = ".".join(part for part in (path, str(context["field"])) if part)
        message, allowed = str(context["message"]), str(context["allowed"])
        remedy = message.partition(f"need {allowed}.")[2].strip()
        # The rule names its field relative to the part that it belongs to.
        message = message.replace(f"{context['field']}=", f"{path}=", 1)
        return FieldError(path, message, context.get("given"), allowed, remedy)
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
    allowed = _allowed(item, context)
    return FieldError(path, f"{path}={shortened(item['input'])}: need {allowed}.", item["input"], allowed)


def _allowed(item: Mapping[str, Any], context: Mapping[str, Any]) -> str:
    """What would be accepted, from one of pydantic's own errors."""
    bounds = [f"{sign} {_plain(context[name])}" for name, sign in _BOUNDS.items() if name in context]
    sizes = [f"{word} {context[name]} entries" for name, word in _SIZES.items() if name in context]
    if bounds or sizes:
        return " and ".join(bounds or sizes)
    if "pattern" in context:
        return f"text of the form {context['pattern']}"
    says = str(item["msg"]).removeprefix("Input should be ")
    return str(context.get("expected") or _KINDS.get(item["type"], says))


def _plain(bound: float) -> str:
    return f"{bound:g}" if isinstance(bound, float) else str(bound)


def field_path(spec: Any, location: tuple[int | str, ...]) -> str:
    """Dotted path of a field as the user wrote it: pydantic's location without the tags of unions."""
    path: list[str] = []
    node = spec
    for part in location:
        if part in (_get(node, "task"), _get(node, "kind")) and _get(node, part) is None:
            continue
        path.append(str(part))
        node = _get(node, part)
    return ".".join(path)


def _get(node: Any, part: int | str) -> Any:
    match node:
        case Mapping():
            return node.get(part)
        case list() | tuple() if isinstance(part, int):
            return node[part] if part < len(node) else None
        case BaseModel():
            return getattr(node, str(part), None)
        case _:
            return None


def _tags_at(location: tuple[int | str, ...]) -> str:
    """The tags that the union at a place offers."""
    choices: list[type[BaseModel]] = list(TASKS.values())
    for part in location:
        choices = _below(choices, str(part))
    tags = [repr(choice.model_fields[tag].default) for choice in choices for tag in _tags_of(choice)]
    return ", ".join(tags)


def _siblings(location: tuple[int | str, ...]) -> str:
    """The fields that exist beside an unknown one, the closest name first."""
    choices: list[type[BaseModel]] = list(TASKS.values())
    for part in location[:-1]:
        choices = _below(choices, str(part))
    names = [name for choice in choices[:1] for name in choice.model_fields]
    close = difflib.get_close_matches(str(location[-1]), names, n=1)
    return ", ".join([*close, *(name for name in names if name not in close)])


def _below(choices: list[type[BaseModel]], part: str) -> list[type[BaseModel]]:
    """Models that one step of pydantic's location leads to: the tag of a union chooses, a field descends."""
    for choice in choices:
        if any(part == choice.model_fields[tag].default for tag in _tags_of(choice)):
            return [choice]
    fields = [choice.model_fields[part] for choice in choices if part in choice.model_fields]
    return [model for field in fields for model in _models_in(field.annotation)]


def _tags_of(choice: type[BaseModel]) -> list[str]:
    return [tag for tag in TAGS if tag in choice.model_fields]


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in get_args(annotation) for model in _models_in(part)]
