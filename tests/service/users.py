"""A service with users, for tests: it asks for tokens, and makes them."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
from fastapi import FastAPI
from tests.service import fake_solver
from tests.service.asgi_client import AppClient, started

from equipoise_service.http.app import create_app
from equipoise_service.http.deps import Resources
from equipoise_service.settings import Settings
from equipoise_service.users.callers import LOCAL, Scope
from equipoise_service.users.tokens import Token, TokenTable


class User:
    """The API as one user calls it, with a token of theirs."""

    def __init__(self, api: AppClient, text: str, token: Token) -> None:
        self.api = api
        self.text = text
        self.token = token

    def request(self, method: str, url: str, **options: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.text}", **options.pop("headers", {})}
        return self.api.request(method, url, headers=headers, **options)

    def get(self, url: str, **options: Any) -> httpx.Response:
        return self.request("GET", url, **options)

    def post(self, url: str, **options: Any) -> httpx.Response:
        return self.request("POST", url, **options)

    def delete(self, url: str, **options: Any) -> httpx.Response:
        return self.request("DELETE", url, **options)


class Lab:
    """A started service that asks for tokens."""

    def __init__(self, app: FastAPI, api: AppClient) -> None:
        self.api = api
        self.resources: Resources = app.state.resources
        self.tokens = TokenTable(self.resources.database)

    def user(self, name: str, *scopes: Scope, lifetime_s: float | None = None, label: str = "") -> User:
        """A user with a new token; submit and read if no scopes are named."""
        token, text = self.tokens.create(
            LOCAL, owner=name, scopes=scopes or ("submit", "read"), lifetime_s=lifetime_s, label=label
        )
        return User(self.api, text, token)


@contextmanager
def lab(settings: Settings, **changes: Any) -> Iterator[Lab]:
    """Start a service that asks for tokens, on the fake solver."""
    app = create_app(settings.model_copy(update={"auth": "tokens", **changes}), prepare=fake_solver.prepare)
    with started(app) as api:
        yield Lab(app, api)
