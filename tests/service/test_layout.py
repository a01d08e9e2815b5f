"""What may import what, and the documents that must not drift from the code."""

import ast
import json
import re
from pathlib import Path
from typing import Any

from tests.service.asgi_client import AppClient

from equipoise_service.http.app import create_app
from equipoise_service.settings import Settings

PACKAGE = Path(__file__).parents[2] / "service" / "equipoise_service"


def imports_of(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add((node.module or "").split(".")[0])
    return found


def without_titles(node: Any) -> Any:
    """A document without the titles that pydantic makes of field names, on some versions of Python only."""
    if isinstance(node, dict):
        return {
            key: without_titles(value)
            for key, value in node.items()
            if not (key == "title" and isinstance(value, str))
        }
    return [without_titles(item) for item in node] if isinstance(node, list) else node


def test_only_the_engine_knows_the_job_engine() -> None:
    users = [path.name for path in PACKAGE.rglob("*.py") if "dbos" in imports_of(path)]
    assert sorted(users) == ["engine.py", "engine_logs.py", "engine_queue.py"]


def test_the_committed_openapi_is_that_of_the_code() -> None:
    """Written by: python -m equipoise_service openapi > service/equipoise_service/openapi.json"""
    committed = json.loads((PACKAGE / "openapi.json").read_text())
    assert without_titles(committed) == without_titles(create_app(Settings()).openapi())


def test_every_refusal_of_the_openapi_is_a_problem() -> None:
    document = json.loads((PACKAGE / "openapi.json").read_text())
    for path in document["paths"].values():
        for operation in path.values():
            for status, response in operation["responses"].items():
                if status >= "400":
                    schema = response["content"]["application/problem+json"]["schema"]
                    assert schema == {"$ref": "#/components/schemas/Problem"}


def test_the_documentation_page_needs_no_internet(api: AppClient) -> None:
    """/docs loads its script and style from this service, and names no other host."""
    assert api.get("/", follow_redirects=False).headers["location"] == "/docs"
    page = api.get("/docs").text
    assert "https://" not in page
    for path in re.findall(r'(?:src|href)="([^"]+)"', page):
        answer = api.get(path)
        assert answer.status_code == 200
        assert len(answer.content) > 1000
