"""PortAudio's microphones, with a library that a test plays; which one a name chooses."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType, SimpleNamespace

import pytest

from stt_client.audio.devices import DeviceDescription, choose_device
from stt_client.audio.portaudio import PortAudioDevice, exclusive, list_devices, load_sounddevice
from stt_client.errors import SourceError

HEADSET = DeviceDescription(0, "Headset Mono", 16_000, 1, is_default=False)
WEBCAM = DeviceDescription(3, "HD Webcam: USB", 44_100, 2, is_default=True)


def test_without_a_name_the_default_device_is_chosen() -> None:
    assert choose_device([HEADSET, WEBCAM], None) == WEBCAM


def test_a_part_of_the_name_is_enough_whatever_its_case() -> None:
    assert choose_device([HEADSET, WEBCAM], "head") == HEADSET


def test_an_unknown_name_is_told_with_those_there_are() -> None:
    with pytest.raises(SourceError, match="no microphone matches 'usb2'; found: Headset Mono, HD Web"):
        choose_device([HEADSET, WEBCAM], "usb2")


def test_a_machine_without_microphones_says_so() -> None:
    with pytest.raises(SourceError, match="no microphone on this machine"):
        choose_device([], None)


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (OSError("PortAudio library not found"), "libportaudio2"),
        (ImportError(), "package sounddevice"),
        (RuntimeError("Error initializing PortAudio"), "PortAudio cannot be used: Error initializing PortAudio"),
    ],
)
def test_a_missing_library_says_what_to_install(error: Exception, sentence: str) -> None:
    def load(_name: str) -> ModuleType:
        raise error

    with pytest.raises(SourceError, match=sentence):
        load_sounddevice(load, {})


class PlayedStream:
    """PortAudio's stream, as sounddevice shows it."""

    def __init__(self, callback: Callable[..., None], finished_callback: Callable[[], None], **options: object) -> None:
        self.options = options
        self.callback = callback
        self.finished = finished_callback

    def start(self) -> None:
        overflow, fine = SimpleNamespace(input_overflow=True), SimpleNamespace(input_overflow=False)
        self.callback(bytearray(b"ab"), 1, None, fine)
        self.callback(bytearray(b"cd"), 1, None, overflow)

    def close(self) -> None:
        self.finished()


class PlayedLibrary(ModuleType):
    PortAudioError = RuntimeError
    default = SimpleNamespace(device=(1, 0))

    def __init__(self) -> None:
        super().__init__("sounddevice")
        self.streams = list[PlayedStream]()
        self.looked = list[str]()

    def _terminate(self) -> None:
        self.looked.append("_terminate")

    def _initialize(self) -> None:
        self.looked.append("_initialize")

    def query_devices(self) -> list[dict[str, object]]:
        speaker = {"name": "Speaker", "max_input_channels": 0, "default_samplerate": 48_000.0}
        return [speaker, {"name": "Mic", "max_input_channels": 2, "default_samplerate": 44_100.0}]

    def RawInputStream(self, **options: object) -> PlayedStream:  # noqa: N802
        self.streams.append(PlayedStream(**options))  # type: ignore[arg-type]
        return self.streams[0]


class KeptEars:
    def __init__(self) -> None:
        self.said = list[object]()

    def deliver(self, chunk: bytes) -> None:
        self.said.append(chunk)

    def warn(self, sentence: str) -> None:
        self.said.append(sentence)

    def end(self) -> None:
        self.said.append("end")

    def device_lost(self) -> None:
        self.said.append("lost")


def test_devices_that_came_since_the_last_look_are_seen() -> None:
    library = PlayedLibrary()
    assert load_sounddevice(loaded={"sounddevice": library}) is library
    assert library.looked == ["_terminate", "_initialize"]


def test_portaudio_is_used_by_one_thread_at_a_time() -> None:
    with (
        exclusive(),
        pytest.raises(SourceError, match="PortAudio does not respond"),
        exclusive(timeout_s=0),
    ):
        pass
    with exclusive(timeout_s=0):
        pass


class FailingLibrary(ModuleType):
    """PortAudio without a sound server."""

    PortAudioError = RuntimeError
    default = SimpleNamespace(device=(1, 0))

    def query_devices(self) -> list[dict[str, object]]:
        raise RuntimeError("Error querying devices")

    def RawInputStream(self, **_options: object) -> PlayedStream:  # noqa: N802
        raise ValueError("no such device")


def test_devices_that_cannot_be_listed_or_opened_are_told() -> None:
    library = FailingLibrary("sounddevice")
    with pytest.raises(SourceError, match="the microphones cannot be listed: Error querying devices"):
        list_devices(library)
    with pytest.raises(SourceError, match="the microphone Headset Mono cannot be opened: no such device"):
        PortAudioDevice(library, HEADSET).start(KeptEars())


def test_only_devices_that_record_are_listed() -> None:
    assert list_devices(PlayedLibrary()) == [DeviceDescription(1, "Mic", 44_100, 2, is_default=True)]


def test_port_audio_records_mono_at_the_native_rate_and_tells_of_gaps() -> None:
    library, ears = PlayedLibrary(), KeptEars()
    PortAudioDevice(library, list_devices(library)[0]).start(ears)
    assert library.streams[0].options == {
        "samplerate": 44_100,
        "blocksize": 4_410,
        "device": 1,
        "channels": 1,
        "dtype": "int16",
    }
    assert ears.said == [b"ab", "input overflow: this machine is too busy to record, and some audio was lost.", b"cd"]


def test_only_an_end_that_nobody_asked_for_is_told() -> None:
    library, ears = PlayedLibrary(), KeptEars()
    device = PortAudioDevice(library, list_devices(library)[0])
    device.start(ears)
    library.streams[0].finished()
    assert ears.said.count("lost") == 1
    device.stop()
    assert ears.said.count("lost") == 1
