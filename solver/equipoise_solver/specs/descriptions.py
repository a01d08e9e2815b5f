"""Descriptions of fields in the JSON Schema, from the docstrings below them, read when a schema is asked for.

Pydantic can read them as classes are made, which takes half of the time that importing the specs does.
"""

import ast
import functools
import inspect
import textwrap
from itertools import pairwise
from typing import Any

from pydantic import BaseModel, GetJsonSchemaHandler
from pydantic_core import CoreSchema


class Described(BaseModel):
    """Base of models whose fields are described by docstrings below them."""

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        """The schema with the docstrings as descriptions."""
        schema = handler(core_schema)
        properties = handler.resolve_ref_schema(schema).get("properties", {})
        texts = descriptions(cls)
        for name, content in properties.items():
            if name in texts:
                content.setdefault("description", texts[name])
        return schema


@functools.cache
def descriptions(model: type[BaseModel]) -> dict[str, str]:
    """Docstrings of the fields of a model by name, those of its bases too."""
    texts: dict[str, str] = {}
    for base in reversed(model.__mro__):
        if issubclass(base, Described) and base is not Described:
            texts |= _written(base)
    return texts


def _written(model: type) -> dict[str, str]:
    """Docstrings that stand below the fields in the source of one class."""
    (tree,) = ast.parse(textwrap.dedent(inspect.getsource(model))).body
    assert isinstance(tree, ast.ClassDef)
    texts: dict[str, str] = {}
    for field, text in pairwise(tree.body):
        if not isinstance(field, ast.AnnAssign) or not isinstance(field.target, ast.Name):
            continue
        if isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant):
            texts[field.target.id] = inspect.cleandoc(str(text.value.value))
    return texts
