"""Checks of the sizes that networks are made of."""

from collections.abc import Sequence

from equipoise_solver.errors import InvalidModelError


def check_widths(widths: Sequence[int], *, n_min: int, n_max: int | None = None) -> None:
    """Refuse widths of layers that make no network.

    Args:
        widths: [in, hidden ..., out].
        n_min: fewest widths.
        n_max: most widths, None for any number.

    Raises:
        InvalidModelError: field "model.widths".
    """
    if len(widths) < n_min or (n_max is not None and len(widths) > n_max):
        count = f"{n_min}" if n_max == n_min else f"at least {n_min}"
        raise InvalidModelError(
            "model.widths", given=list(widths), allowed=f"{count} widths, [in, hidden ..., out]"
        )
    if any(isinstance(width, bool) or not isinstance(width, int) or width < 1 for width in widths):
        raise InvalidModelError("model.widths", given=list(widths), allowed="whole numbers of at least 1")


def check_size(field: str, value: int) -> None:
    """Refuse a count below 1.

    Raises:
        InvalidModelError: naming the field.
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise InvalidModelError(field, given=value, allowed="a whole number of at least 1")
