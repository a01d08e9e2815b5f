"""Summaries say what was asked for."""

from tests.clients.examples import stationary_content

from equipoise.solutions import StationarySolution
from equipoise.summaries import summary


def test_the_parts_beside_a_law_are_summed_up() -> None:
    """A terminal shows relaxation, escape and posterior where they were asked for, and no rows elsewhere."""
    parts = {
        "relaxation": {"gap": 2.0, "time": 0.5, "continuum": None, "autocorrelation_time": 0.375},
        "escape": {
            **dict.fromkeys(("well", "saddle", "target", "barrier", "kramers", "log_kramers"), 0.25),
            **{"mean": 12.5, "log_mean": 2.5, "ratio": 1.25, "rate": None, "survivors_mean": None},
        },
        "bayes": {
            **{"gibbs_temperature": 0.2, "kl_law_gibbs": 0.1, "kl_gibbs_law": None},
            **{"total_variation": 0.125, "outside": 0.0, "parameter_space": None},
        },
    }
    rows = summary(StationarySolution.model_validate(stationary_content(**parts))).splitlines()
    asked = [" ".join(row.split()) for row in rows]
    assert "relaxation time 0.5" in asked
    assert "autocorrelation time 0.375" in asked
    assert "mean escape time 12.5, 1.25 of Kramers'" in asked
    assert "total variation 0.125 from the Gibbs posterior" in asked
    alone = summary(StationarySolution.model_validate(stationary_content()))
    assert len(alone.splitlines()) == len(rows) - 4
