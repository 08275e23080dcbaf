"""What `stt-cli doctor` finds: one thing looked at, how it is, and what would mend it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Verdict(Enum):
    OK = "ok"
    WARN = "warn"  # something does not work that not everybody needs
    FAIL = "fail"  # nothing can be recognised


@dataclass(frozen=True, slots=True)
class CheckResult:
    verdict: Verdict
    subject: str
    sentence: str
    remedy: str = ""


def ok(subject: str, sentence: str) -> CheckResult:
    return CheckResult(Verdict.OK, subject, sentence)


def warn(subject: str, sentence: str, remedy: str = "") -> CheckResult:
    return CheckResult(Verdict.WARN, subject, sentence, remedy)


def fail(subject: str, sentence: str, remedy: str = "") -> CheckResult:
    return CheckResult(Verdict.FAIL, subject, sentence, remedy)
