"""Writes the table of hostile requests into docs/security.md: `python -m tests.security.write_page`."""

from itertools import groupby
from pathlib import Path

from tests.security.hostile_requests import TABLE, Hostile

PAGE = Path(__file__).parents[2] / "docs" / "security.md"
BEGIN, END = (
    "<!-- The table is written by tests/security/write_page.py. -->\n",
    "<!-- End of the table. -->\n",
)


def _row(hostile: Hostile) -> str:
    answer = f"{hostile.status} `{hostile.code}`" if hostile.code else f"{hostile.status}"
    return f"| {hostile.group} | {hostile.what} | {answer} |"


def table() -> str:
    """The table in Markdown."""
    lines = ["| Kind | What is sent | Answer |", "|---|---|---|"]
    for _, rows in groupby(TABLE, key=lambda hostile: hostile.group):
        lines += [_row(row) for row in rows]
    return "\n".join(lines) + "\n"


def with_table(page: str) -> str:
    """The page with the table in its place."""
    before, rest = page.split(BEGIN)
    _, after = rest.split(END)
    return f"{before}{BEGIN}\n{table()}\n{END}{after}"


if __name__ == "__main__":
    PAGE.write_text(with_table(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
