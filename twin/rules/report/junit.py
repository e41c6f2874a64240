"""The report as JUnit XML, which every CI server reads."""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from twin.rules.result import Check, CheckStatus, ScenarioResult

__all__ = ["junit_report"]


def junit_report(results: Sequence[ScenarioResult]) -> bytes:
    """Return one test suite a scenario, one test case an expectation."""
    root = Element("testsuites", name="twin rules test")
    for result in results:
        suite = SubElement(
            root,
            "testsuite",
            name=result.name,
            tests=str(len(result.checks)),
            failures=str(sum(check.status is CheckStatus.FAILED for check in result.checks)),
            skipped=str(sum(check.status is CheckStatus.SKIPPED for check in result.checks)),
            time=f"{result.seconds:.3f}",
        )
        for check in result.checks:
            _case(suite, result, check)
    indent(root)
    return bytes(tostring(root, encoding="utf-8", xml_declaration=True))


def _case(suite: Element, result: ScenarioResult, check: Check) -> None:
    file, _, line = check.place.rpartition(":")
    case = SubElement(suite, "testcase", classname=result.name, name=check.text, file=file)
    case.set("line", line)
    if check.status is CheckStatus.FAILED:
        failure = SubElement(case, "failure", message=check.detail)
        failure.text = "\n".join([check.place, check.detail, *check.reasons])
    elif check.status is CheckStatus.SKIPPED:
        SubElement(case, "skipped", message=check.detail)
