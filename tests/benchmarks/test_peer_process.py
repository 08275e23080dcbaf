"""Processes of peers: started on free ports, stopped to the last one."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

import psutil
import pytest

from benchmarks.peers.process import STOPS, PeerProcess, Stops
from benchmarks.service import ServiceError

# A server with a child that ignores all signals but SIGKILL, and that the server does not wait for.
STUBBORN = """
import signal, subprocess, sys
child = "import signal; [signal.signal(n, signal.SIG_IGN) for n in (2, 15)]; print(flush=True); signal.pause()"
subprocess.Popen([sys.executable, "-c", child], stdout=subprocess.PIPE).stdout.readline()
print("Serving on a port", flush=True)
signal.pause()
"""
AT_ONCE: Stops = [(signal.SIGINT, 0.1), (signal.SIGTERM, 0.1), (signal.SIGKILL, 10.0)]


def peer(program: str, folder: Path, *, stops: Stops = STOPS, **settings: str) -> PeerProcess:
    command = [sys.executable, "-c", program]
    return PeerProcess(command, ready="Serving", settings=settings, folder=folder, stops=stops)


def test_stop_leaves_no_child_process(tmp_path: Path) -> None:
    process = peer(STUBBORN, tmp_path, stops=AT_ONCE)
    process.start()
    server = psutil.Process(process.pid)
    started = [server, *server.children(recursive=True)]
    process.stop()
    assert len(started) == 2
    assert not [each for each in started if each.is_running() and each.status() != psutil.STATUS_ZOMBIE]


def test_server_runs_in_its_folder_with_its_settings(tmp_path: Path) -> None:
    program = 'import os; open("settings", "w").write(os.environ["OMP_NUM_THREADS"]); print("Serving")'
    process = peer(program, tmp_path, OMP_NUM_THREADS="3")
    process.start()
    process.stop()
    assert (tmp_path / "settings").read_text() == "3"


def test_server_that_exits_before_it_is_ready_raises_with_its_output(tmp_path: Path) -> None:
    with pytest.raises(ServiceError) as failed:
        peer('print("no such model"); raise SystemExit(3)', tmp_path).start()
    assert str(failed.value).splitlines() == [f"{sys.executable} ended. Last output:", "no such model"]
