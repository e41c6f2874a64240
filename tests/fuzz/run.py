"""Run the fuzzers: ``scripts/fuzz [--seconds 120] [TARGET …]``; prints one JSON object a target.

Each target runs in a process of its own under Atheris, that is libFuzzer with the coverage of
the twin's own code, beginning with its corpus. An input that breaks a promise is kept in
``tests/fuzz/findings/`` and makes the exit status 1; once mended it belongs into the corpus.
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
MOST_MIB = 1024
LONGEST_BYTES = 16_384

CHILD = """
import sys, atheris
sys.path.insert(0, {root!r})
with atheris.instrument_imports(include=["twin"]):
    import twin.aggregator, twin.wire, twin.site.loader, twin.scenario.loader
    import twin.rules.expression, twin.emulator.commands
from tests.fuzz.targets import TARGETS
import structlog, logging
structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
atheris.Setup(sys.argv, TARGETS[{target!r}])
atheris.Fuzz()
"""

MEMORY = """
import sys, logging, random
sys.path.insert(0, {root!r})
import structlog
from tests.fuzz.targets import CORPUS, TARGETS
from tests.fuzz.test_corpus import mutated
structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
inputs = [path.read_bytes() for path in sorted((CORPUS / {target!r}).iterdir())]
rng = random.Random(1)
def resident():
    lines = open("/proc/self/status").read().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))
sizes = []
for _ in range({rounds}):
    for data in inputs:
        TARGETS[{target!r}](mutated(data, rng))
    sizes.append(resident())
print(sizes[len(sizes) // 2], sizes[-1])
"""
ROUNDS = 60


def main() -> int:
    """Run the targets that are named, or all, one after the other."""
    names = sorted(folder.name for folder in (HERE / "corpus").iterdir())
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0] if __doc__ else "")
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=", ".join(names))
    parser.add_argument("--seconds", type=int, default=120, help="for each target")
    options = parser.parse_args()
    unknown = set(options.targets) - set(names)
    if unknown:
        parser.error(f"there is no target {', '.join(sorted(unknown))}; choose {', '.join(names)}")
    reports = [fuzz(name, options.seconds) for name in options.targets or names]
    return int(any(report["crashed"] for report in reports))


def fuzz(name: str, length: int) -> dict[str, object]:
    """Run one target and print what it found."""
    findings = HERE / "findings"
    findings.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as fresh:
        run = subprocess.run(
            [
                *(sys.executable, "-c", CHILD.format(root=str(ROOT), target=name)),
                *(f"-max_total_time={length}", f"-rss_limit_mb={MOST_MIB}", "-timeout=25"),
                *(f"-max_len={LONGEST_BYTES}", "-print_final_stats=1"),
                *(f"-artifact_prefix={findings}/{name}-", fresh, str(HERE / "corpus" / name)),
            ],
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
        corpus = len(list(Path(fresh).iterdir()))
    said = run.stdout + run.stderr
    memory = [int(found) for found in re.findall(r"rss: (\d+)Mb", said)]
    inputs = re.findall(r"stat::number_of_executed_units:\s*(\d+)", said)
    coverage = re.findall(r"cov: (\d+)", said)
    report: dict[str, object] = {
        "target": name,
        "seconds": length,
        "inputs": int(inputs[-1]) if inputs else 0,
        "crashed": run.returncode != 0,
        "edges": int(coverage[-1]) if coverage else 0,
        "new_in_corpus": corpus,
        "rss_mib_end": memory[-1] if memory else 0,
        "grown_kib": grown(name),
    }
    sys.stdout.write(json.dumps(report) + "\n")
    sys.stdout.flush()
    if run.returncode != 0:
        sys.stderr.write(said[-4000:])
    return report


def grown(name: str) -> int:
    """Return by how much a process grows in the second half of many mutants of the corpus.

    Without Atheris, whose own corpus and coverage grow as long as it finds anything.
    """
    code = MEMORY.format(root=str(ROOT), target=name, rounds=ROUNDS)
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    half, end = (int(word) for word in run.stdout.split())
    return end - half


if __name__ == "__main__":
    sys.exit(main())
