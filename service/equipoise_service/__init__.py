"""HTTP API, settings, job engine and workers of Equipoise."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from equipoise_service.http.app import create_app
    from equipoise_service.settings import Settings, load_settings

__all__ = ["Settings", "create_app", "load_settings"]


def __getattr__(name: str) -> Any:
    # Imported on first use: the supervisor and the computing processes need no web framework.
    if name == "create_app":
        from equipoise_service.http.app import create_app

        return create_app
    if name in ("Settings", "load_settings"):
        from equipoise_service import settings

        return getattr(settings, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
