"""Checks of the machine by `stt-cli doctor`: versions, proxies, CUDA for an installed server, clipboard.

A check that is slow or may hang runs in a child process, so that the client loads neither ctranslate2 nor a desktop
library.
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

COMMAND_TIMEOUT_S = 20.0  # to load ctranslate2 from a cold disk
PACKAGES = ("grpcio", "protobuf", "av", "sounddevice", "rich", "click")
# The command exists with every extra, but fails without the extra 'server'.
CHECK_CUDA = (str(Path(sys.executable).with_name("stt-server")), "check", "--cuda")
PROXY_VARIABLES = ("http_proxy", "https_proxy", "grpc_proxy", "all_proxy")
FIND_CLIPBOARD = "import pyperclip; copy, _ = pyperclip.determine_clipboard(); print(getattr(copy, '__name__', ''))"


def check_versions() -> CheckResult:
    versions = {name: _version(name) for name in PACKAGES}
    missing = [name for name, version in versions.items() if version is None]
    installed = ", ".join(f"{name} {version}" for name, version in versions.items() if version is not None)
    message = f"stt-cli {_version('realtime-stt-grpc') or '?'}, Python {platform.python_version()}, {installed}."
    if missing:
        return warn("versions", message, f"Missing: {', '.join(missing)}. Install the extra 'client'.")
    return ok("versions", message)


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def check_proxies(environment: Mapping[str, str] = os.environ) -> CheckResult | None:
    """Return the names of the proxy variables that are set; None if there are none. Values may contain passwords."""
    variables = [name for name in environment if name.lower() in PROXY_VARIABLES and environment[name]]
    if not variables:
        return None
    return ok("proxy", f"{', '.join(sorted(variables))} ignored: connections to a server do not use a proxy.")


async def check_cuda(command: Sequence[str] = CHECK_CUDA) -> CheckResult:
    """Return the CUDA devices that a server on this machine can use."""
    code, output = await _run(command)
    if code != 0:
        return ok("CUDA", "no server is installed on this machine; a client does not need one.")
    report = json.loads(output)
    count, missing = report["devices"], report["missing"]
    if missing:
        return warn("CUDA", "a server on this machine would use the CPU:", f"{missing}.")
    return ok("CUDA", f"a server on this machine can use {count} device{'s' if count != 1 else ''}.")


async def check_clipboard(environment: Mapping[str, str] = os.environ) -> AsyncIterator[CheckResult]:
    """Yield the first clipboard that works, in the order that `--copy` uses; copy nothing."""
    code, tool = await _run([sys.executable, "-c", FIND_CLIPBOARD], environment)
    if code == 0 and tool:
        yield ok("clipboard", f"desktop tool {tool.removeprefix('copy_')}.")
        return
    hint = "On a desktop install wl-clipboard (Wayland), xclip or xsel (X11)."
    if environment.get("TMUX"):
        yield await _check_tmux(environment)
    elif _has_terminal():
        message = "no desktop tool; uses the terminal (OSC 52), which not all terminals support."
        yield warn("clipboard", message, hint)
    else:
        yield warn("clipboard", "no desktop tool and no terminal.", hint)


async def _check_tmux(environment: Mapping[str, str]) -> CheckResult:
    code, value = await _run(["tmux", "show-options", "-gv", "set-clipboard"], environment)
    if code == 0 and value != "off":
        return ok("clipboard", f"tmux (set-clipboard {value}), which passes text to its terminal.")
    return warn("clipboard", "tmux does not pass text to its terminal.", "Run: tmux set-option -g set-clipboard on")


def _has_terminal() -> bool:
    try:
        with Path("/dev/tty").open("wb"):
            return True
    except OSError:
        return False


async def _run(command: Sequence[str], environment: Mapping[str, str] | None = None) -> tuple[int | None, str]:
    """Return exit code and stdout of the command. The code is None if it does not exist or timed out."""
    try:
        process = await asyncio.create_subprocess_exec(
            *command, stdin=DEVNULL, stdout=PIPE, stderr=DEVNULL, env=environment
        )
    except OSError:
        return None, ""
    try:
        async with asyncio.timeout(COMMAND_TIMEOUT_S):
            stdout, _ = await process.communicate()
    except TimeoutError:
        return None, ""
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return process.returncode, stdout.decode(errors="replace").strip()
