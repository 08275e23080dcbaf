"""A pseudo-terminal while the live line is drawn: keys pressed on it, and the modes it is left in."""

from __future__ import annotations

import os
import pty
import termios
from asyncio import to_thread
from pathlib import Path

from tests.stt_cli.test_recognize import read_until
from tests.support.audio.audio_files import encode
from tests.support.clients.cli_process import MAIN, start
from tests.support.servers.scripted_server import Stream, final, partial, replies, serving

# A microphone whose library writes to stderr.
COMPLAINS = """
import os
from stt_cli.commands.main import cli
class Device:
    name, sample_rate_hz = "Loose", 16000
    def start(self, ears):
        os.write(2, b"Expression failed in alsa.c")
        ears.deliver(bytes(3200))
        ears.end()
    def stop(self):
        pass
cli(obj=lambda name: Device())
"""


def shows_controls(terminal: int) -> bool:
    flags: int = termios.tcgetattr(terminal)[3]
    return bool(flags & termios.ECHOCTL)


async def test_ctrl_c_is_not_echoed_and_terminal_modes_are_restored(tmp_path: Path) -> None:
    async def send_partials(stream: Stream) -> None:
        await stream.accept()
        await stream.receive_audio(3200)
        await stream.send(partial("раз"))
        await stream.receive_audio()
        await stream.send(final("Раз, два."))

    recording = encode(tmp_path / "talk.wav", seconds=60)
    terminal, other_end = pty.openpty()
    open_terminal = f"import os; os.dup2(os.open({os.ttyname(other_end)!r}, os.O_RDWR), 0)"
    async with serving(send_partials) as server:
        process = await start(
            *("recognize", "--server", server.address, "--device", f"file:{recording}"),
            main=f"{open_terminal}; {MAIN}",
            stdout=other_end,
            stderr=other_end,
            TERM="xterm",
        )
        output = await to_thread(read_until, terminal, "раз")
        assert not shows_controls(other_end)
        os.write(terminal, b"\x03")
        output += await to_thread(read_until, terminal, "Раз, два.")
        assert await process.wait() == 0
    assert "finishing" in output
    assert "^C" not in output
    assert shows_controls(other_end)
    os.close(terminal)
    os.close(other_end)


async def test_library_output_on_stderr_does_not_corrupt_the_live_line() -> None:
    terminal, other_end = pty.openpty()
    async with serving(replies(final("Раз."))) as server:
        arguments = ["recognize", "--server", server.address]
        process = await start(*arguments, main=COMPLAINS, stdout=other_end, stderr=other_end, TERM="xterm")
        os.close(other_end)
        output = await to_thread(read_until, terminal, None)
        assert await process.wait() == 0
    os.close(terminal)
    assert "Раз." in output
    assert "Expression" not in output
