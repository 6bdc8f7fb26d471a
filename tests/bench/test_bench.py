"""`pfi bench` measures a real run. Figures are for `docs/benchmarks.md`: no test depends on the speed of a machine."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def measured() -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "pfi.cli", "bench", "--documents", "20", "--steady", "10", "--json"]
    environment = {"PATH": "/usr/bin:/bin", "PFI_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/nowhere"}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=110, check=False)


def test_it_prints_the_promised_figures_and_everything_is_delivered(
    measured: "subprocess.CompletedProcess[str]",
) -> None:
    assert measured.returncode == 0, measured.stderr
    figures = json.loads(measured.stdout)
    for name in ("documents_per_second", "ack_p50_ms", "ack_p99_ms", "cpu_ms_per_document", "rss_mb"):
        assert figures[name] > 0
    assert figures["ack_p50_ms"] <= figures["ack_p99_ms"]
    assert figures["rss_mb"] <= figures["rss_peak_mb"]
    assert figures["not_delivered"] == figures["refused"] == 0
    assert figures["deliveries"] == 3 * (40 + 20 + 10), "warm-up, flat out, half load"


def test_it_never_touches_the_store_of_the_hospital(measured: "subprocess.CompletedProcess[str]") -> None:
    assert "PFI_DATABASE_URL est ignorée" in measured.stderr
