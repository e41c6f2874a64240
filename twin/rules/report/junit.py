"""The report as JUnit XML, which every CI server reads."""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from twin.rules.audit import RecordingFinding
from twin.rules.conclusion import NOT_AS_EXPECTED, Conclusion
from twin.rules.result import Check, CheckStatus, ScenarioResult

__all__ = ["junit_bytes", "junit_report"]


def junit_report(
    results: Sequence[ScenarioResult],
    conclusion: Conclusion,
    recorded: Sequence[RecordingFinding] = (),
) -> bytes:
    """Return one test suite a scenario, one test case an expectation, and one of the recordings.

    What is wrong with the run as a whole is a suite of its own, so that a CI server shows the
    run as failed whenever the exit status says so.
    """
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
    if recorded:
        _recordings(root, recorded)
    if complaints := [own for own in conclusion.complaints if not own.startswith(NOT_AS_EXPECTED)]:
        count = str(len(complaints))
        suite = SubElement(root, "testsuite", name="run", tests=count, failures=count)
        for complaint in complaints:
            case = SubElement(suite, "testcase", classname="run", name=complaint.split(":")[0])
            SubElement(case, "failure", message=complaint).text = complaint
    return junit_bytes(root)


def junit_bytes(root: Element) -> bytes:
    """Return a report as its file has it."""
    indent(root)
    return bytes(tostring(root, encoding="utf-8", xml_declaration=True))


def _recordings(root: Element, recorded: Sequence[RecordingFinding]) -> None:
    failed = sum(bool(own.error) for own in recorded)
    empty = sum(not own.error and not own.most for own in recorded)
    count = str(len(recorded))
    suite = SubElement(
        root,
        "testsuite",
        name="recordings",
        tests=count,
        failures=str(failed),
        skipped=str(empty),
    )
    for own in recorded:
        case = SubElement(suite, "testcase", classname="recordings", name=own.rule.name)
        case.set("file", str(own.rule.file))
        case.set("line", str(own.rule.line))
        if own.error:
            SubElement(case, "failure", message=own.verdict).text = f"{own.rule.place}\n{own.error}"
        elif own.most:
            SubElement(case, "system-out").text = own.verdict
        else:
            SubElement(case, "skipped", message=own.verdict)


def _case(suite: Element, result: ScenarioResult, check: Check) -> None:
    file, _, line = check.place.rpartition(":")
    case = SubElement(suite, "testcase", classname=result.name, name=check.text, file=file)
    case.set("line", line)
    if check.status is CheckStatus.FAILED:
        failure = SubElement(case, "failure", message=check.detail)
        failure.text = "\n".join([check.place, check.detail, *check.reasons])
    elif check.status is CheckStatus.SKIPPED:
        SubElement(case, "skipped", message=check.detail)
