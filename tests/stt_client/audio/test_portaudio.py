"""PortAudio's microphones with a fake library, and the choice of a microphone by name."""

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


def test_part_of_the_name_selects_a_device_in_any_case() -> None:
    assert choose_device([HEADSET, WEBCAM], "head") == HEADSET


def test_unknown_name_raises_with_the_available_devices() -> None:
    with pytest.raises(SourceError, match="no microphone matches 'usb2'; found: Headset Mono, HD Web"):
        choose_device([HEADSET, WEBCAM], "usb2")


def test_machine_without_microphones_raises_source_error() -> None:
    with pytest.raises(SourceError, match="no microphone on this machine"):
        choose_device([], None)


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (OSError("PortAudio library not found"), "libportaudio2"),
        (ImportError(), "package sounddevice"),
        (RuntimeError("Error initializing PortAudio"), "PortAudio cannot be used: Error initializing PortAudio"),
    ],
)
def test_missing_library_raises_with_the_package_to_install(error: Exception, message: str) -> None:
    def load(_name: str) -> ModuleType:
        raise error

    with pytest.raises(SourceError, match=message):
        load_sounddevice(load, {})


class FakeStream:
    """PortAudio's stream with the interface of sounddevice."""

    def __init__(self, callback: Callable[..., None], finished_callback: Callable[[], None], **options: object) -> None:
        self.options = options
        self.callback = callback
        self.finished = finished_callback

    def start(self) -> None:
        overflow, ok = SimpleNamespace(input_overflow=True), SimpleNamespace(input_overflow=False)
        self.callback(bytearray(b"ab"), 1, None, ok)
        self.callback(bytearray(b"cd"), 1, None, overflow)

    def close(self) -> None:
        self.finished()


class FakeLibrary(ModuleType):
    PortAudioError = RuntimeError
    default = SimpleNamespace(device=(1, 0))

    def __init__(self) -> None:
        super().__init__("sounddevice")
        self.streams = list[FakeStream]()
        self.calls = list[str]()

    def _terminate(self) -> None:
        self.calls.append("_terminate")

    def _initialize(self) -> None:
        self.calls.append("_initialize")

    def query_devices(self) -> list[dict[str, object]]:
        speaker = {"name": "Speaker", "max_input_channels": 0, "default_samplerate": 48_000.0}
        return [speaker, {"name": "Mic", "max_input_channels": 2, "default_samplerate": 44_100.0}]

    def RawInputStream(self, **options: object) -> FakeStream:  # noqa: N802
        self.streams.append(FakeStream(**options))  # type: ignore[arg-type]
        return self.streams[0]


class RecordingSink:
    def __init__(self) -> None:
        self.received = list[object]()

    def deliver(self, chunk: bytes) -> None:
        self.received.append(chunk)

    def warn(self, message: str) -> None:
        self.received.append(message)

    def end(self) -> None:
        self.received.append("end")

    def device_lost(self) -> None:
        self.received.append("lost")


def test_devices_connected_since_the_last_listing_are_found() -> None:
    library = FakeLibrary()
    assert load_sounddevice(loaded={"sounddevice": library}) is library
    assert library.calls == ["_terminate", "_initialize"]


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
    """PortAudio without an audio server."""

    PortAudioError = RuntimeError
    default = SimpleNamespace(device=(1, 0))

    def query_devices(self) -> list[dict[str, object]]:
        raise RuntimeError("Error querying devices")

    def RawInputStream(self, **_options: object) -> FakeStream:  # noqa: N802
        raise ValueError("no such device")


def test_devices_that_cannot_be_listed_or_opened_raise_source_error() -> None:
    library = FailingLibrary("sounddevice")
    with pytest.raises(SourceError, match="the microphones cannot be listed: Error querying devices"):
        list_devices(library)
    with pytest.raises(SourceError, match="the microphone Headset Mono cannot be opened: no such device"):
        PortAudioDevice(library, HEADSET).start(RecordingSink())


def test_only_input_devices_are_listed() -> None:
    assert list_devices(FakeLibrary()) == [DeviceDescription(1, "Mic", 44_100, 2, is_default=True)]


def test_portaudio_records_mono_at_the_native_rate_and_reports_gaps() -> None:
    library, sink = FakeLibrary(), RecordingSink()
    PortAudioDevice(library, list_devices(library)[0]).start(sink)
    assert library.streams[0].options == {
        "samplerate": 44_100,
        "blocksize": 4_410,
        "device": 1,
        "channels": 1,
        "dtype": "int16",
    }
    assert sink.received == [
        b"ab",
        "input overflow: this machine is too busy to record, and some audio was lost.",
        b"cd",
    ]


def test_only_an_unrequested_end_is_reported_as_lost() -> None:
    library, sink = FakeLibrary(), RecordingSink()
    device = PortAudioDevice(library, list_devices(library)[0])
    device.start(sink)
    library.streams[0].finished()
    assert sink.received.count("lost") == 1
    device.stop()
    assert sink.received.count("lost") == 1
