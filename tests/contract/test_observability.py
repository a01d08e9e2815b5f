"""What is written about metrics is true: the table of the documentation, the rules and the dashboard."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from equipoise_service.errors import JOB_ERRORS, REASONS
from equipoise_service.telemetry.metric_table import METRICS, Metric

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "observability.md").read_text(encoding="utf-8")
FOLDER = ROOT / "deploy" / "prometheus"
_NAME = re.compile(r"\bequipoise_[a-z_]+")
# What Prometheus adds by itself.
_ADDED = frozenset({"le", "job"})


def series_of(metric: Metric) -> set[str]:
    """Names that may stand in a query."""
    if metric.kind == "histogram":
        return {f"{metric.name}_{part}" for part in ("bucket", "sum", "count")}
    return {metric.name}


SERIES = {name: metric for metric in METRICS for name in series_of(metric)}


def load(name: str) -> Any:
    return yaml.safe_load((FOLDER / name).read_text(encoding="utf-8"))


def wrong_in(query: str) -> list[str]:
    """Metrics and labels of a query that there are not."""
    wrong = [name for name in _NAME.findall(query) if name not in SERIES]
    for name, selector in re.findall(r"\b(equipoise_[a-z_]+)\{((?:[^{}\"]|\"[^\"]*\")*)\}", query):
        labels = re.findall(r"([a-z_]+)\s*(?:=~|!~|!=|=)", re.sub(r'"[^"]*"', '""', selector))
        wrong += [label for label in labels if label not in {*SERIES[name].labels, *_ADDED}]
    return wrong


def test_the_table_is_that_of_the_code() -> None:
    """Every metric stands in the table with its kind, labels and meaning, in the order of the code."""
    rows = [
        f"| `{one.name}` | {one.kind} | {', '.join(f'`{label}`' for label in one.labels)} | {one.text} |"
        for one in METRICS
    ]
    assert [line for line in PAGE.splitlines() if line.startswith("| `equipoise_")] == rows


def test_queries_of_the_page_ask_for_what_there_is() -> None:
    """Every metric that the page names is one of the code."""
    queries = re.findall(r"`([^`\n]*\bequipoise_[^`\n]*)`", PAGE)
    assert len(queries) > len(METRICS)
    names = {metric.name for metric in METRICS}
    assert [query for query in queries if wrong_in(query) and query.split(" ")[0] not in names] == []


def test_alerts_ask_for_what_there_is() -> None:
    """Every rule has a query with known metrics, labels and codes, a summary and an action."""
    rules = [rule for group in load("alerts.yml")["groups"] for rule in group["rules"]]
    assert len({rule["alert"] for rule in rules}) == len(rules) >= 5
    codes = {code for rule in rules for code in re.findall(r'code=~?"([^"]*)"', rule["expr"])}
    known = {*REASONS, *JOB_ERRORS}
    for rule in rules:
        assert _NAME.search(rule["expr"]), rule["alert"]
        assert wrong_in(rule["expr"]) == [], rule["alert"]
        assert rule["annotations"]["summary"].endswith(".")
        assert rule["annotations"]["action"].endswith(".")
    assert {part for code in codes for part in code.split("|")} <= known


def test_panels_ask_for_what_there_is() -> None:
    """Every panel of the dashboard has queries with known metrics and labels, and legends of these."""
    panels = json.loads((FOLDER / "grafana.json").read_text(encoding="utf-8"))["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels) >= 8
    for panel in panels:
        for target in panel["targets"]:
            (metric,) = (SERIES[name] for name in _NAME.findall(target["expr"]))
            assert wrong_in(target["expr"]) == [], panel["title"]
            assert set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"])) <= set(metric.labels)


def test_the_configuration_scrapes_with_a_token() -> None:
    """Prometheus is shown how to ask, and finds the rules."""
    content = load("prometheus.yml")
    (scrape,) = content["scrape_configs"]
    assert scrape["metrics_path"] == "/metrics"
    assert "credentials_file" in scrape["authorization"]
    assert all((FOLDER / name).is_file() for name in content["rule_files"])


@pytest.mark.parametrize(
    "query",
    ["equipoise_job == 0", 'equipoise_jobs{state="queued"}', "rate(equipoise_job_wait_seconds[5m])"],
)
def test_wrong_queries_are_found(query: str) -> None:
    """A metric or label that there is not is recognised."""
    assert wrong_in(query)
