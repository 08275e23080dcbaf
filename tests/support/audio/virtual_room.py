"""A virtual microphone without a sound card: the monitor of PulseAudio's null sink, through ALSA and PortAudio."""

from __future__ import annotations

import ctypes.util
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep

START_TIMEOUT_S = 10.0
SINK = ["module-null-sink", "sink_name=room", "rate=44100", "channels=2"]
ALSA = """
pcm.!default {{ type pulse server "{server}" }}
ctl.!default {{ type pulse server "{server}" }}
pcm.room {{ type pulse device "room.monitor" server "{server}" hint {{ show on description "A room" }} }}
"""
PLUGIN = "alsa-lib/libasound_module_pcm_pulse.so"


def missing_requirement() -> str | None:
    """Return the missing requirement of this machine; None if it has all of them."""
    for program in ("pulseaudio", "pactl", "paplay"):
        if shutil.which(program) is None:
            return f"{program} (Debian: pulseaudio, pulseaudio-utils)"
    if not any(Path("/usr/lib").glob(f"*/{PLUGIN}")) and not Path(f"/usr/lib64/{PLUGIN}").exists():
        return "ALSA's plugin for PulseAudio (Debian: libasound2-plugins)"
    return None if ctypes.util.find_library("portaudio") else "PortAudio (Debian: libportaudio2)"


class VirtualRoom:
    """A null sink whose audio the microphone `room` records, unless it is unplugged."""

    def __init__(self, folder: Path) -> None:
        self._server = f"unix:{folder}/native"
        alsa = folder / "asound.conf"
        alsa.write_text(ALSA.format(server=self._server))
        self.variables: Mapping[str, str] = {
            "HOME": str(folder),
            "XDG_RUNTIME_DIR": str(folder),
            "PULSE_SERVER": self._server,
            "ALSA_CONFIG_PATH": str(alsa),
        }

    def arguments(self) -> list[str]:
        loaded = [" ".join(SINK), f"module-native-protocol-unix socket={self._server.removeprefix('unix:')}"]
        options = ["-n", "--daemonize=no", "--exit-idle-time=-1", "--use-pid-file=no"]
        return ["pulseaudio", *options, *(f"--load={module}" for module in loaded)]

    def play(self, path: Path) -> None:
        """Play the file to its end. Without the latency option, the sink renders seconds ahead of clients."""
        subprocess.run(["paplay", "--latency-msec=50", path], env=self.environment(), check=True, timeout=60)

    def unplug(self) -> None:
        self.control("unload-module", SINK[0])

    def plug_in(self) -> None:
        self.control("load-module", *SINK)

    def control(self, *arguments: str) -> None:
        subprocess.run(["pactl", *arguments], env=self.environment(), check=True, timeout=10, capture_output=True)

    def environment(self) -> dict[str, str]:
        return {**os.environ, **self.variables}


@contextmanager
def open_room(folder: Path) -> Iterator[VirtualRoom]:
    """Yield a room that is ready; stop PulseAudio on exit."""
    room = VirtualRoom(folder)
    with subprocess.Popen(room.arguments(), env=room.environment(), stderr=subprocess.DEVNULL) as process:
        try:
            _wait_until_ready(room)
            yield room
        finally:
            process.terminate()


def _wait_until_ready(room: VirtualRoom) -> None:
    deadline = monotonic() + START_TIMEOUT_S
    while True:
        try:
            room.control("info")
            return
        except subprocess.CalledProcessError:
            if monotonic() > deadline:
                raise
            sleep(0.05)  # PulseAudio does not signal when it is ready
