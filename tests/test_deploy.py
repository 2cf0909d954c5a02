"""The files of `deploy/`: they speak of what there is."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from ipaddress import ip_address, ip_network

import pytest
from prometheus_client.parser import text_string_to_metric_families

from optillm.chat import Usage
from optillm.config.settings import Settings
from optillm.config.sources import catalogue
from optillm.observe.metrics import Metrics
from tests.e2e.proxy import ROOT
from tests.fakes import World
from tests.observe.fakes import record

DEPLOY = ROOT / "deploy"


def exported() -> set[str]:
    """The names of all samples."""
    metrics, world = Metrics(), World(lambda sent: "The answer is 4.")
    world.complete("bon-m")
    metrics(world.records[0])
    metrics(record(client="ann", cost=1.0, usage=Usage(1, 1, 1, 1), losses={"failed": 1}))
    metrics.responses.labels("200").inc()
    text = metrics.exposition("")[0].decode()
    return {sample.name for family in text_string_to_metric_families(text) for sample in family.samples}


@pytest.mark.parametrize("file", ["dashboard.json", "alerts.yaml"])
def test_queries_name_metrics_that_exist(file: str) -> None:
    named = set(re.findall(r"optillm_\w+", (DEPLOY / file).read_text()))
    assert named
    assert named <= exported()


def test_the_dashboard_has_a_query_in_every_panel() -> None:
    panels = json.loads((DEPLOY / "dashboard.json").read_text())["panels"]
    assert all(target["expr"] for panel in panels for target in panel["targets"] or [{"expr": ""}])
    assert len({panel["id"] for panel in panels}) == len(panels)


def test_the_replicas_are_given_settings_that_exist() -> None:
    named = set(re.findall(r"(OPTILLM_\w+):", (DEPLOY / "compose.yaml").read_text()))
    assert named
    assert named <= {variable for setting in catalogue(Settings).values() for variable in setting.variables}


def test_the_proxy_that_is_trusted_and_the_replicas_that_nginx_asks_are_those_of_the_network() -> None:
    compose = (DEPLOY / "compose.yaml").read_text()
    (network,) = map(ip_network, re.findall(r"subnet: ([\d./]+)", compose))
    (others,) = map(ip_network, re.findall(r"ip_range: ([\d./]+)", compose))
    assert re.findall(r"OPTILLM_TRUSTED_PROXIES: (\S+)", compose) == [str(network)]
    replicas = dict(re.findall(r"  (optillm-\d):\n.*\n.*ipv4_address: ([\d.]+)", compose))
    asked = re.findall(r"server (\S+):8000", (DEPLOY / "nginx.conf").read_text())
    assert asked == list(replicas)  # names are looked up once: their addresses must outlive a container
    assert all(ip_address(each) in network and ip_address(each) not in others for each in replicas.values())
    assert len(set(replicas.values())) == len(replicas)


@pytest.mark.skipif(shutil.which("promtool") is None, reason="needs promtool, of Prometheus")
@pytest.mark.parametrize(
    "arguments", [("rules", "alerts.yaml"), ("config", "--syntax-only", "prometheus.yml")]
)
def test_prometheus_can_read_its_files(arguments: tuple[str, ...]) -> None:
    checked = subprocess.run(  # noqa: S603
        ["promtool", "check", *arguments],  # noqa: S607
        cwd=DEPLOY,
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr
