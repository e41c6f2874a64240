"""Deployments on the pages: vLLM's metrics where a scheduled job serves, with its pods' labels."""

from __future__ import annotations

from tests.aggregator.twinning import TwinPair

SITE = """
name: small
racks: 2
servers_per_rack: 2
server: {gpus: 4}
scheduler: {kind: KIND, load_ratio: 1, start_seconds: 5}
workloads:
  - name: chat
    kind: serving
    activity: [[0.5, 0.66]]
    serving: {model_name: own/chat, load_ratio: 0.7, begin_hour: 15, startup_seconds: 10}
job_mix:
  - {name: serve, share: 1, gpus: [4], workload: chat, seconds: 1e6, spread: 0, account: web}
  - {name: train, share: 1, gpus: [4], seconds: 1e6, spread: 0, account: research}
"""


def test_requests_are_shown_where_a_pod_serves() -> None:
    """The hosts with vLLM's metrics are those whose GPUs belong to a pod of the deployment."""
    twin = TwinPair("kubernetes", text=SITE)
    twin.run(40)
    pods = {
        labels["Hostname"]: (labels["exported_namespace"], labels["exported_pod"].split("-")[0])
        for _, labels, _ in twin.scrape("DCGM_FI_DEV_POWER_USAGE")
        if "exported_pod" in labels
    }
    serving = {host for host, pod in pods.items() if pod == ("web", "serve")}
    assert set(pods.values()) == {("web", "serve"), ("research", "train")}
    running = [labels for _, labels, _ in twin.scrape("vllm:num_requests_running")]
    assert {labels["instance"].partition(":")[0] for labels in running} == serving
    assert {labels["model_name"] for labels in running} == {"own/chat"}
    targets = [labels for name, labels, _ in twin.scrape("up") if labels["job"] == "vllm"]
    assert {labels["instance"].partition(":")[0] for labels in targets} == serving
    assert twin.refused() == 0
