"""Run the fuzzers: ``scripts/fuzz [--seconds 120] [--mutants 5000] [TARGET …]``; prints JSON.

Each target runs twice, in a process of its own: guided by the coverage of the twin's own code
under Atheris, that is libFuzzer, and fed with mutants of its corpus without Atheris, which is
faster, and whose memory is the twin's own. ``--seconds 0`` leaves the first out. An input that
breaks a promise is kept in ``tests/fuzz/findings/`` and makes the exit status 1; once mended it
belongs into the corpus. One object a target is printed, then one of all of them.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
FINDINGS = HERE / "findings"
MOST_MIB = 1024
LONGEST_BYTES = 16_384

GUIDED = """
import sys, atheris
sys.path.insert(0, {root!r})
with atheris.instrument_imports(include=["twin"]):
    import twin.aggregator, twin.wire, twin.site.loader, twin.scenario.loader
    import twin.rules.expression, twin.emulator.core
    import twin.shadow, twin.fleet.gateway_core, twin.fleet.capture
from tests.fuzz.targets import TARGETS, seeds
import pathlib, structlog, logging
structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
for number, seed in enumerate(seeds().get({target!r}, ())):
    (pathlib.Path({fresh!r}) / f"seed-{{number}}").write_bytes(seed)
atheris.Setup(sys.argv, TARGETS[{target!r}])
atheris.Fuzz()
"""

MUTANTS = """
import logging, pathlib, random, resource, sys
sys.path.insert(0, {root!r})
import structlog
from tests.fuzz.targets import CORPUS, TARGETS, seeds
from tests.fuzz.test_corpus import mutated
structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
inputs = [path.read_bytes() for path in sorted((CORPUS / {target!r}).iterdir())]
inputs += seeds().get({target!r}, [])
rng, target = random.Random({seed}), TARGETS[{target!r}]
def resident():
    lines = open("/proc/self/status").read().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))
half = resident()
for number in range({mutants}):
    data = mutated(rng.choice(inputs), rng)
    try:
        target(data)
    except BaseException:
        pathlib.Path({findings!r}, "{target}-mutant").write_bytes(data)
        raise
    if number == {mutants} // 2:
        half = resident()
print(resident() - half, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


def main() -> int:
    """Run the targets that are named, or all, one after the other."""
    names = sorted(folder.name for folder in (HERE / "corpus").iterdir())
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0] if __doc__ else "")
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=", ".join(names))
    parser.add_argument("--seconds", type=int, default=120, help="of Atheris, for each target")
    parser.add_argument("--mutants", type=int, default=5000, help="of the corpus, for each target")
    parser.add_argument("--seed", type=int, default=1, help="of the mutants")
    options = parser.parse_args()
    unknown = set(options.targets) - set(names)
    if unknown:
        parser.error(f"there is no target {', '.join(sorted(unknown))}; choose {', '.join(names)}")
    FINDINGS.mkdir(exist_ok=True)
    reports = []
    for name in options.targets or names:
        report = mutants(name, options.mutants, options.seed)
        if options.seconds:
            report |= guided(name, options.seconds)
        report["inputs"] = report["mutants"] + report.get("guided", 0)
        reports.append(report)
        _print({"target": name, **report})
    broken = sum(report["broken"] + report.get("guided_broken", 0) for report in reports)
    peak = max(report["rss_mib_peak"] for report in reports)
    inputs = sum(report["inputs"] for report in reports)
    _print({"target": "all", "inputs": inputs, "broken": broken, "rss_mib_peak": peak})
    return int(broken > 0)


def guided(name: str, length: int) -> dict[str, int]:
    """Run one target under Atheris and return what was found."""
    with tempfile.TemporaryDirectory() as fresh:
        run = _run(
            GUIDED.format(root=str(ROOT), target=name, fresh=fresh),
            *(f"-max_total_time={length}", f"-rss_limit_mb={MOST_MIB}", "-timeout=25"),
            *(f"-max_len={LONGEST_BYTES}", "-print_final_stats=1"),
            *(f"-artifact_prefix={FINDINGS}/{name}-", fresh, str(HERE / "corpus" / name)),
        )
        found = len([path for path in Path(fresh).iterdir() if "seed" not in path.name])
    said = run.stdout + run.stderr
    inputs = re.findall(r"stat::number_of_executed_units:\s*(\d+)", said)
    coverage = re.findall(r"cov: (\d+)", said)
    return {
        "guided": int(inputs[-1]) if inputs else 0,
        "guided_broken": int(run.returncode != 0),
        "edges": int(coverage[-1]) if coverage else 0,
        "new_in_corpus": found,
    }


def mutants(name: str, count: int, seed: int) -> dict[str, int]:
    """Feed one target with mutants of its corpus and return what was found.

    What it grew by is that of the second half.
    """
    code = MUTANTS.format(
        root=str(ROOT), target=name, mutants=count, seed=seed, findings=str(FINDINGS)
    )
    run = _run(code)
    grown, peak = (int(word) for word in run.stdout.split()) if run.returncode == 0 else (0, 0)
    return {
        "mutants": count,
        "broken": int(run.returncode != 0),
        "grown_kib": grown,
        "rss_mib_peak": peak,
    }


def _run(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    run = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    if run.returncode != 0:
        sys.stderr.write((run.stdout + run.stderr)[-4000:])
    return run


def _print(report: dict[str, object] | dict[str, int]) -> None:
    sys.stdout.write(json.dumps(report) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
