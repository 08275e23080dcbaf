"""Servers with the HTTP port, recordings, and a client next to the invalid ones that must not be affected."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from threading import Event, Thread

import pytest

from benchmarks.recordings import Recording
from tests.support.audio.encoded_audio import wav
from tests.support.clients.raw_http import HttpPort
from tests.support.servers.server_process import Server

TINY = {"DEVICE": "cpu", "LANGUAGE": "en", "WHISPER_MODEL": "tiny.en", "REALTIME_MODEL": "tiny.en"}


@contextmanager
def http_port(**settings: str) -> Iterator[HttpPort]:
    """Run a server with a small model; yield its HTTP port."""
    with Server({**TINY, **settings}) as server:
        server.wait_until_listening()
        yield HttpPort(server)


@pytest.fixture(scope="package")
def shared() -> Iterator[HttpPort]:
    """A server for tests that leave it as it is, with a limit of 5 MiB for uploads."""
    with http_port(MAX_STREAMS="8", MAX_UPLOAD_MB="4") as port:
        yield port
        faults = [line for line in port.server.lines if "Traceback" in line or " ERROR " in line]
        assert not faults, "\n".join(port.server.lines[-60:])


@pytest.fixture(scope="session")
def question(recordings: Mapping[str, Recording]) -> Recording:
    """A question of two seconds."""
    return recordings["en/brooklyn-bridge"]


@pytest.fixture(scope="session")
def dictation(recordings: Mapping[str, Recording]) -> Recording:
    """A minute of speech with pauses."""
    return recordings["en/dictation"]


class Neighbor(Thread):
    """Uploads a recording and speaks in a Realtime session, over and over."""

    def __init__(self, port: HttpPort, question: Recording) -> None:
        super().__init__()
        self._port, self._question, self._file = port, question, wav(question.pcm())
        self.stopping = Event()
        self.texts: list[str] = []
        self.failure: Exception | None = None

    def run(self) -> None:
        try:
            while not self.stopping.is_set() or len(self.texts) < 4:
                self.texts.append(self._port.upload(self._file).text)
                self.texts.append(self.speak())
        except Exception as error:
            self.failure = error

    def speak(self) -> str:
        with self._port.realtime({"turn_detection": None}) as session:
            session.append(self._question.pcm())
            return session.commit()


@pytest.fixture(scope="module")
def unaffected(shared: HttpPort, question: Recording) -> Iterator[HttpPort]:
    """The shared server, with a client that must get the same texts during all tests of the module as before them."""
    expected = shared.upload(wav(question.pcm())).text
    assert "Brooklyn" in expected
    neighbor = Neighbor(shared, question)
    neighbor.start()
    try:
        yield shared
    finally:
        neighbor.stopping.set()
        neighbor.join()
    assert neighbor.failure is None, repr(neighbor.failure)
    assert set(neighbor.texts) == {expected}
    assert shared.get("/healthz").status == 200
