"""The page of the gallery: one section per figure, each replaced when its figure is drawn again."""

import re
from collections.abc import Mapping
from pathlib import Path

from examples.gallery.figure import Figure, Findings, Verdict

HEAD = """\
# Gallery

Figures of two papers, computed again by this service: *Law of Balance and Stationary Distribution of SGD*
([arXiv 2308.06671](https://arxiv.org/abs/2308.06671)) and *Parameter Symmetry and Noise Equilibrium of SGD*
([arXiv 2402.07193](https://arxiv.org/abs/2402.07193)). Each section says what the paper claims, and what the
run here shows. `make gallery` computes all figures, draws them and writes this page;
`make gallery NAME=tails` does so for one."""
VERDICTS: dict[Verdict, str] = {
    "shown": "Shown.",
    "shown in part": "Shown in part.",
    "not shown": "Not shown.",
}


def section(name: str, figure: Figure, findings: Findings) -> str:
    """The section of a figure: picture, claim and findings.

    Args:
        name: of the figure.
        figure: its claim.
        findings: what its runs say.
    """
    return "\n\n".join(
        [
            f"## {figure.TITLE}",
            f"![{figure.TITLE}](gallery/{name}.png)",
            f"**Claim** ({figure.PAPER}). {figure.CLAIM}",
            f"**{VERDICTS[findings.verdict]}** {findings.sentence}",
            f"Specs and measurement: [{name}.py](../examples/gallery/{name}.py).",
        ]
    )


def update(path: Path, figures: Mapping[str, Figure], sections: Mapping[str, str]) -> None:
    """Write the page anew, with the given sections, and those that it has of other figures.

    Args:
        path: of the page, which need not exist.
        figures: all figures, in the order of the page.
        sections: new sections, by name.
    """
    kept = _sections(path.read_text(encoding="utf-8")) if path.exists() else {}
    parts = [sections.get(name) or kept.get(figure.TITLE, "") for name, figure in figures.items()]
    path.write_text("\n\n".join([HEAD, *filter(None, parts)]) + "\n", encoding="utf-8")


def _sections(page: str) -> dict[str, str]:
    """Sections of a page by their titles."""
    parts = re.split(r"^(?=## )", page, flags=re.MULTILINE)[1:]
    return {part.splitlines()[0].removeprefix("## "): part.strip() for part in parts}
