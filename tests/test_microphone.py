"""The microphone as a source, with a device that a test plays; PortAudio with a library that a test plays."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import ModuleType, SimpleNamespace

import pytest
from made_audio import Ear

from stt_cli.errors import SourceError
from stt_cli.events import AudioFormat
from stt_cli.microphone import (
    QUEUED_S,
    DeviceDescription,
    Ears,
    Microphone,
    PortAudioDevice,
    choose,
    list_devices,
    load_sounddevice,
)

HEADSET = DeviceDescription(0, "Headset Mono", 16_000, 1, is_default=False)
WEBCAM = DeviceDescription(3, "HD Webcam: USB", 44_100, 2, is_default=True)


class PlayedDevice:
    name = "Played"
    sample_rate_hz = 16_000

    def __init__(self) -> None:
        self.ears: Ears | None = None
        self.stopped = False

    def start(self, ears: Ears) -> None:
        self.ears = ears

    def stop(self) -> None:
        self.stopped = True

    def record(self, count: int, sound: bytes = bytes(3200)) -> None:
        assert self.ears is not None
        for _ in range(count):
            self.ears.deliver(sound)


async def opened() -> tuple[Microphone, PlayedDevice, Ear]:
    device, ear = PlayedDevice(), Ear()
    microphone = Microphone(lambda _: device)
    assert await microphone.open(ear) == AudioFormat(16_000)
    return microphone, device, ear


async def test_it_records_from_its_opening_until_it_is_stopped() -> None:
    microphone, device, ear = await opened()
    await asyncio.to_thread(device.record, 3, b"ab")
    microphone.stop()
    device.record(1, b"after the stop")
    assert [chunk async for chunk in microphone.chunks()] == [b"ab"] * 3
    assert device.stopped
    assert ear.warnings == []


async def test_speech_beyond_the_queue_is_lost_and_that_is_said() -> None:
    microphone, device, ear = await opened()
    device.record(QUEUED_S * 10 + 25)
    chunks = microphone.chunks()
    await anext(chunks)
    assert ear.warnings == ["60 s of speech wait for the server: what is said now is lost."]
    device.record(1)
    await asyncio.sleep(0)
    assert ear.warnings[1:] == ["2.5 s of speech were lost."]
    await anext(chunks)
    device.record(1)
    await asyncio.sleep(0)
    assert len(ear.warnings) == 2
    microphone.stop()
    assert len([chunk async for chunk in chunks]) == QUEUED_S * 10
    assert ear.heard_ms == (QUEUED_S * 10 + 27) * 100


async def test_a_device_that_goes_away_is_an_error_after_what_it_recorded() -> None:
    microphone, device, _ = await opened()
    device.record(1, b"ab")
    assert device.ears is not None
    device.ears.end()
    chunks = microphone.chunks()
    assert await anext(chunks) == b"ab"
    with pytest.raises(SourceError, match="microphone Played went away"):
        await anext(chunks)


def test_without_a_name_the_default_device_is_chosen() -> None:
    assert choose([HEADSET, WEBCAM], None) == WEBCAM


def test_a_part_of_the_name_is_enough_whatever_its_case() -> None:
    assert choose([HEADSET, WEBCAM], "head") == HEADSET


def test_an_unknown_name_is_told_with_those_there_are() -> None:
    with pytest.raises(SourceError, match="no microphone has 'usb2' in its name; there are: Headset Mono, HD Web"):
        choose([HEADSET, WEBCAM], "usb2")


def test_a_machine_without_microphones_says_so() -> None:
    with pytest.raises(SourceError, match="no microphone on this machine"):
        choose([], None)


@pytest.mark.parametrize(
    ("error", "sentence"),
    [(OSError("PortAudio library not found"), "libportaudio2"), (ImportError(), "package sounddevice")],
)
def test_a_missing_library_says_what_to_install(error: Exception, sentence: str) -> None:
    def load(_name: str) -> ModuleType:
        raise error

    with pytest.raises(SourceError, match=sentence):
        load_sounddevice(load)


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
    assert ears.said == [b"ab", "this machine is too busy to record: a moment of speech was lost.", b"cd"]


def test_only_an_end_that_nobody_asked_for_is_told() -> None:
    library, ears = PlayedLibrary(), KeptEars()
    device = PortAudioDevice(library, list_devices(library)[0])
    device.start(ears)
    library.streams[0].finished()
    assert ears.said.count("end") == 1
    device.stop()
    assert ears.said.count("end") == 1
