"""An engine that never blocks and records the requested beam sizes."""

from __future__ import annotations

from collections.abc import Sequence

from stt_service.whisper.types import Transcript, Window
from tests.support.servers.in_process_server import BlockingServerEngine


class BeamRecordingEngine(BlockingServerEngine):
    """Returns the name of each stream as its text, immediately."""

    def __init__(self, *, multilingual: bool = True) -> None:
        super().__init__(multilingual=multilingual)
        self.beams: list[int] = []
        self.release()

    def transcribe(self, windows: Sequence[Window]) -> list[Transcript]:
        self.beams += [window.options.beam_size for window in windows]
        return super().transcribe(windows)
