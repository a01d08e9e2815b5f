"""The page /docs: Swagger UI from files of this installation, so that it works without the internet."""

from importlib.resources import files

from fastapi import FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse, RedirectResponse
from fastapi.staticfiles import StaticFiles

from equipoise_service.http.security_headers import page_policy

_FILES = "/docs-files"


def install_docs_page(app: FastAPI) -> None:
    """Serve the API's own documentation at /docs, and lead visitors of / there."""
    page = get_swagger_ui_html(
        openapi_url="/openapi.json",
        title="Equipoise API",
        swagger_js_url=f"{_FILES}/swagger-ui-bundle.js",
        swagger_css_url=f"{_FILES}/swagger-ui.css",
        swagger_favicon_url=f"{_FILES}/favicon.png",
    )

    page.headers["Content-Security-Policy"] = page_policy(bytes(page.body).decode())

    async def show() -> HTMLResponse:
        return page

    async def lead_there() -> RedirectResponse:
        return RedirectResponse("/docs")

    app.mount(_FILES, StaticFiles(directory=str(files("fastapi_offline") / "static")))
    app.add_api_route("/docs", show, include_in_schema=False)
    app.add_api_route("/", lead_there, include_in_schema=False)
