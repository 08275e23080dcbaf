"""What `stt-cli doctor` finds on this machine: versions, CUDA where a server is installed, ways to a clipboard.

What is heavy, or may hang, runs in a process of its own: the client loads neither ctranslate2 nor a desktop.
"""

from __future__ import annotations

import asyncio
import json
import os
import platform
import sys
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import AsyncIterator, Mapping, Sequence
from importlib import metadata
from pathlib import Path

from stt_cli.doctor.results import CheckResult, ok, warn

TIMEOUT_S = 20.0  # loading ctranslate2 from a cold disk
PACKAGES = ("grpcio", "protobuf", "av", "sounddevice", "rich", "click")
# The command is installed with every extra. Without the extra 'server' it fails.
CHECK_CUDA = (str(Path(sys.executable).with_name("stt-server")), "check", "--cuda")
PROXIES = ("http_proxy", "https_proxy", "grpc_proxy", "all_proxy")
DESKTOP = "import pyperclip; copy, _ = pyperclip.determine_clipboard(); print(getattr(copy, '__name__', ''))"


def version_finding() -> CheckResult:
    installed = {name: _version(name) for name in PACKAGES}
    lacking = [name for name, version in installed.items() if version is None]
    told = ", ".join(f"{name} {version}" for name, version in installed.items() if version is not None)
    sentence = f"stt-cli {_version('realtime-stt-grpc') or '?'}, Python {platform.python_version()}, {told}."
    if lacking:
        return warn("versions", sentence, f"Missing: {', '.join(lacking)}; the extra 'client' has them.")
    return ok("versions", sentence)


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def proxy_finding(environment: Mapping[str, str] = os.environ) -> CheckResult | None:
    """Return which proxies the environment names; None if there is none. Their values may hold passwords."""
    named = [name for name in environment if name.lower() in PROXIES and environment[name]]
    if not named:
        return None
    names = ", ".join(sorted(named))
    return ok("proxy", f"{names} in the environment: ignored, connections to a server never go through a proxy.")


async def cuda_finding(command: Sequence[str] = CHECK_CUDA) -> CheckResult:
    """Return the CUDA devices that a server on this machine can use."""
    code, output = await _output(command)
    if code != 0:
        return ok("CUDA", "no server is installed here, and a client needs none.")
    report = json.loads(output)
    count, missing = report["devices"], report["missing"]
    if missing:
        return warn("CUDA", "a server on this machine would run on the CPU:", f"{missing}.")
    return ok("CUDA", f"a server on this machine can use {count} device{'s' if count != 1 else ''}.")


async def clipboard_findings(environment: Mapping[str, str] = os.environ) -> AsyncIterator[CheckResult]:
    """Yield the ways to a clipboard, in the order in which they are tried; nothing is copied."""
    code, told = await _output([sys.executable, "-c", DESKTOP], environment)
    if code == 0 and told:
        yield ok("clipboard", f"the desktop's: {told.removeprefix('copy_')}.")
        return
    remedy = "On a desktop install wl-clipboard (Wayland), xclip or xsel (X11)."
    if environment.get("TMUX"):
        yield await _tmux(environment)
    elif _has_terminal():
        told = "no desktop tool: the terminal is asked (OSC 52), and not all of them take it."
        yield warn("clipboard", told, remedy)
    else:
        yield warn("clipboard", "neither a desktop's tool nor a terminal is there.", remedy)


async def _tmux(environment: Mapping[str, str]) -> CheckResult:
    code, told = await _output(["tmux", "show-options", "-gv", "set-clipboard"], environment)
    if code == 0 and told != "off":
        return ok("clipboard", f"through tmux (set-clipboard {told}) to the terminal around it.")
    return warn("clipboard", "tmux does not pass it on.", "Run: tmux set-option -g set-clipboard on")


def _has_terminal() -> bool:
    try:
        with Path("/dev/tty").open("wb"):
            return True
    except OSError:
        return False


async def _output(command: Sequence[str], environment: Mapping[str, str] | None = None) -> tuple[int | None, str]:
    """Return the command's exit code, None when it had to be killed or is not there, and what it printed."""
    try:
        process = await asyncio.create_subprocess_exec(
            *command, stdin=DEVNULL, stdout=PIPE, stderr=DEVNULL, env=environment
        )
    except OSError:
        return None, ""
    try:
        async with asyncio.timeout(TIMEOUT_S):
            stdout, _ = await process.communicate()
    except TimeoutError:
        return None, ""
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return process.returncode, stdout.decode(errors="replace").strip()
