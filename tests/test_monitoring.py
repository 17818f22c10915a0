"""The dashboard and the rules ask for metrics and labels that the service has."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from daemon.api.metrics import exposition
from daemon.engine.gpu import GpuFacts
from tests.daemon.conftest import Running
from tests.daemon.conftest import running as running
from tests.daemon.conftest import start as start

FOLDER = Path(__file__).parents[1] / "docs" / "monitoring"
# Prometheus' own.
GENERAL = {"instance", "job"}


def expressions() -> Iterator[str]:
    for panel in json.loads((FOLDER / "grafana.json").read_text())["panels"]:
        yield from (target["expr"] for target in panel["targets"])
    for group in yaml.safe_load((FOLDER / "alerts.yml").read_text())["groups"]:
        yield from (rule["expr"] for rule in group["rules"])


def offered(running: Running, monkeypatch: pytest.MonkeyPatch) -> dict[str, dict[str, set[str]]]:
    """The labels of each metric with their values, of a service that has a GPU and has done something."""
    facts = GpuFacts(
        index=0, name="a GPU", memory_used_mb=1, memory_total_mb=2, utilization=50, temperature_c=60, power_w=100.0
    )
    monkeypatch.setattr(running.service.context.gpu, "facts", lambda: facts)
    running.finished(running.submit())
    found: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for line in exposition(running.service.context)[0].decode().splitlines():
        if not line.startswith("#"):
            name, labels = re.fullmatch(r"(\w+)(?:\{(.*)\})? \S+", line).groups()  # type: ignore[union-attr]
            for label, value in re.findall(r'(\w+)="([^"]*)"', labels or ""):
                found[name][label].add(value)
            found.setdefault(name, defaultdict(set))
    return found


def test_every_metric_and_label_is_there(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    metrics = offered(running, monkeypatch)
    asked = set()
    for expression in expressions():
        for name, labels in re.findall(r"(seedvr2_\w+)(?:\{([^}]*)\})?", expression):
            asked.add(name)
            assert name in metrics, name
            for label, relation, value in re.findall(r'(\w+)(=~?)"([^"]*)"', labels):
                assert label in GENERAL or label in metrics[name], (name, label)
                # A state that no job has had is not listed yet.
                if relation == "=" and label == "activity":
                    assert value in metrics[name][label]
        for label in re.findall(r"by \((\w+)\)", expression):
            assert any(label in labels for labels in metrics.values()), label
    assert len(asked) > 10


def test_legends_name_labels_that_there_are(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    metrics = offered(running, monkeypatch)
    for panel in json.loads((FOLDER / "grafana.json").read_text())["panels"]:
        for target in panel["targets"]:
            (name,) = set(re.findall(r"seedvr2_\w+", target["expr"]))
            for label in re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]):
                assert label in GENERAL or label in metrics[name], (name, label)


@pytest.mark.skipif(not shutil.which("promtool"), reason="promtool is not installed")
def test_promtool_takes_the_rules() -> None:
    subprocess.run(["promtool", "check", "rules", FOLDER / "alerts.yml"], check=True)
