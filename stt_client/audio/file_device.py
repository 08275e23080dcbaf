"""A microphone that plays a recording in real time, for tests and demos: `--device file:PATH`.

Its audio takes the same path as that of a real one.
"""

from __future__ import annotations

import threading
import time
from pathlib import Path

from stt_client.audio.decode import DecodedAudio, open_file
from stt_client.audio.devices import AudioSink
from stt_client.audio.sources import in_real_time
from stt_client.errors import SourceError


class FileDevice:
    """Plays from its start, at the rate of the recording; ends with the recording."""

    def __init__(self, path: Path) -> None:
        """Open the recording.

        Raises:
            SourceError: It cannot be read or contains no audio.
        """
        self._warnings = list[str]()
        self._recording = open_file(path, self._warnings.append)
        self._stopped = threading.Event()
        self.name = path.name
        self.sample_rate_hz = self._recording.format.sample_rate_hz

    def start(self, sink: AudioSink) -> None:
        threading.Thread(target=self._play, args=(sink,), daemon=True, name="played microphone").start()

    def stop(self) -> None:
        self._stopped.set()

    def _play(self, sink: AudioSink) -> None:
        try:
            self._deliver(self._recording, sink)
        except SourceError as error:
            sink.warn(str(error))
        for sentence in self._warnings:
            sink.warn(sentence)
        if not self._stopped.is_set():
            sink.end()

    def _deliver(self, recording: DecodedAudio, sink: AudioSink) -> None:
        for chunk in in_real_time(recording, self._stopped.wait, time.monotonic):
            if self._stopped.is_set():
                return
            sink.deliver(chunk)
