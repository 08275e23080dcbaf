"""Results of the checks of `stt-cli doctor`."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from rich.text import Text

from stt_client.sanitize import sanitize_message


class Verdict(Enum):
    OK = "ok"
    WARN = "warn"  # a feature that not all users need does not work
    FAIL = "fail"  # nothing can be recognized


STYLES = {Verdict.OK: "green", Verdict.WARN: "yellow", Verdict.FAIL: "bold red"}


@dataclass(frozen=True, slots=True)
class CheckResult:
    verdict: Verdict
    subject: str
    message: str
    hint: str = ""  # how to fix it


def ok(subject: str, message: str) -> CheckResult:
    return CheckResult(Verdict.OK, subject, message)


def warn(subject: str, message: str, hint: str = "") -> CheckResult:
    return CheckResult(Verdict.WARN, subject, message, hint)


def fail(subject: str, message: str, hint: str = "") -> CheckResult:
    return CheckResult(Verdict.FAIL, subject, message, hint)


def format_result(result: CheckResult) -> Text:
    """Return one line: verdict, subject, message, hint."""
    subject = sanitize_message(result.subject)
    text = Text.assemble((f"{result.verdict.value:<5}", STYLES[result.verdict]), f"{subject}: ")
    text.append(sanitize_message(result.message))
    if result.hint:
        text.append(f" {sanitize_message(result.hint)}", "dim")
    return text
