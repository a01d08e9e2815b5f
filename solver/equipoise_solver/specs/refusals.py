"""A refused spec in the words of the spec: where the field stands as it was written, and what it may hold."""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel

TAGS = ("task", "kind")
"""Fields that choose among the members of a union."""
NAMED_AFTER_PYTHON = {
    "tuple_type": "a list",
    "dict_type": "an object",
    "model_type": "an object",
    "model_attributes_type": "an object",
}
"""Kinds that pydantic names after classes of Python, named as JSON has them."""
_KINDS = {
    **NAMED_AFTER_PYTHON,
    "extra_forbidden": "only the documented fields",
    "missing": "a value",
    "finite_number": "a finite number",
    "float_type": "a number",
    "float_parsing": "a number",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_parsing_size": "a whole number of fewer digits",
    "int_from_float": "a whole number",
    "string_type": "a string",
    "bool_type": "true or false",
    "list_type": "a list",
}
_BOUNDS = {"gt": ">", "ge": ">=", "lt": "<", "le": "<="}
_SIZES = {"min_length": "at least", "max_length": "at most"}
_LONGEST_NAME, _LONGEST_TEXT = 80, 2000


def written_path(written: Any, location: Sequence[int | str]) -> str:
    """Dotted path of a field as the user wrote it: without the parts that pydantic adds for unions.

    Args:
        written: what was given: a mapping, a model, or anything else that was refused.
        location: pydantic's path into it.
    """
    names: list[str] = []
    node, is_tagged = written, False
    for place, part in enumerate(location):
        is_there, child = _child(node, part)
        tags = [tag for tag in (_child(node, name)[1] for name in TAGS) if isinstance(tag, str)]
        if part in tags and not is_tagged:
            # The tag of a union comes before its fields, one of which may have its name.
            is_tagged = True
            continue
        if not is_there and (part in tags or is_inner_tag(part) or place < len(location) - 1):
            continue
        node, is_tagged = child, False
        names.append(str(part)[:_LONGEST_NAME])
    return ".".join(names)


def is_inner_tag(part: int | str) -> bool:
    """Whether a part of a location is the tag of a union that tells its members by what they hold.

    Such tags stand in parentheses, as in "(network)", and no one writes them in a spec.
    """
    return isinstance(part, str) and part.startswith("(") and part.endswith(")")


def _child(node: Any, part: int | str) -> tuple[bool, Any]:
    """Whether there is such a part, and the part."""
    match node:
        case Mapping() if part in node:
            return True, node[part]
        case list() | tuple() if isinstance(part, int) and part < len(node):
            return True, node[part]
        case BaseModel() if isinstance(part, str) and part in type(node).model_fields:
            return True, getattr(node, part)
        case _:
            return False, None


def allowed_by(error: Mapping[str, Any]) -> str:
    """What would be accepted, from one of pydantic's errors or one of `base.refusal`."""
    context = error.get("ctx") or {}
    if error["type"] == "does_not_fit":
        return str(context["allowed"])
    if bounds := [f"{sign} {_number(context[name])}" for name, sign in _BOUNDS.items() if name in context]:
        return " and ".join(bounds)
    if sizes := [f"{word} {context[name]}" for name, word in _SIZES.items() if name in context]:
        unit = "characters" if error["type"].startswith("string") else "entries"
        return f"{' and '.join(sizes)} {unit}"
    if "pattern" in context:
        return f"text of the form {context['pattern']}"
    if error["type"] == "union_tag_not_found":
        return f"a field {context['discriminator']}"
    says = str(error["msg"]).removeprefix("Value error, ").removeprefix("Input should be ")
    named = context.get("expected") or context.get("expected_tags")
    return str(named or _KINDS.get(error["type"], says[:_LONGEST_TEXT]))


def _number(bound: Any) -> str:
    return f"{bound:g}" if isinstance(bound, float) else str(bound)
