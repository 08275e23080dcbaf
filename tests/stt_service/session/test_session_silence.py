"""Silence sent as a duration has the same result as silent audio, at a bounded cost."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stt_service.audio.pcm import AudioFormat, Encoding, Frames, Samples
from stt_service.session.config import SessionConfig
from stt_service.session.events import Decode, Output, SpeechStarted
from stt_service.session.session import Session
from stt_service.settings.schema import ServerSettings
from stt_service.vad.gate import stream_vad_factory
from stt_service.vad.silero import Silero, silero_path
from stt_service.vad.types import SegmenterConfig

SERVER = ServerSettings.model_validate({"post_speech_silence_duration": 0.3})
LOUD = 1e-5  # mean square of a frame that holds speech
ROUNDING = 2e-6  # of the resampler, whose blocks begin at other samples
ALAW_ZERO = 4e-4  # A-law has no zero: its quietest sample is 8 of 32768
PROPERTY = settings(derandomize=True, deadline=None, max_examples=60)


class LoudVad:
    """Classifies loud frames as speech; counts the frames of all instances."""

    def __init__(self, frames: list[int], late: int, quiet: float) -> None:
        self._frames, self._late, self._quiet = frames, late, np.float32(quiet)
        self._pending: Samples = np.zeros(0, np.float32)

    def push(self, frames: Frames) -> Samples:
        self._frames.append(len(frames))
        loud = np.einsum("ij,ij->i", frames, frames) / 512 > LOUD
        pending = np.concatenate((self._pending, np.where(loud, np.float32(0.99), self._quiet)))
        ready = max(0, len(pending) - self._late)
        self._pending = pending[ready:]
        return pending[:ready]

    def flush(self) -> Samples:
        pending, self._pending = self._pending, self._pending[:0]
        return pending

    def reconfigure(self, config: SegmenterConfig, aggressiveness: int) -> None: ...


class RecordedSession:
    """A session and all its outputs."""

    def __init__(
        self,
        audio_format: AudioFormat,
        late: int = 0,
        left_context_ms: int = 0,
        quiet: float = 0.01,
        gap_s: float = 0.2,
    ) -> None:
        self.frames: list[int] = []
        server = SERVER.model_copy(update={"min_gap_between_recordings": gap_s})
        config = SessionConfig(server, server.runtime(), audio_format, partials=False, left_context_ms=left_context_ms)
        self.session = Session(config, lambda _: LoudVad(self.frames, late, quiet))
        self.format, self.outputs = audio_format, list[Output]()

    def audio(self, pcm: bytes) -> None:
        self.outputs += self.session.feed(pcm)

    def silence(self, samples: int) -> None:
        for outputs in self.session.feed_silence(samples):
            self.outputs += outputs

    def silent_audio(self, samples: int) -> None:
        self.audio(self.format.silence(samples))

    @property
    def positions(self) -> tuple[int, int]:
        return self.session.received_ms, self.session.committed_ms


def noise(audio_format: AudioFormat, milliseconds: int) -> bytes:
    """Return loud audio of the format, the same in each call."""
    samples = audio_format.sample_rate_hz * milliseconds // 1000 * audio_format.channels
    samples_drawn = np.random.default_rng(samples).uniform(-0.5, 0.5, samples)
    match audio_format.encoding:
        case Encoding.PCM_S16LE:
            return (samples_drawn * 32768).astype("<i2").tobytes()
        case Encoding.PCM_F32LE:
            return samples_drawn.astype("<f4").tobytes()
        case _:
            return np.random.default_rng(samples).integers(0, 256, samples, np.uint8).tobytes()


def assert_alike(one: Iterable[Output], other: Iterable[Output], tolerance: float) -> None:
    for left, right in zip(one, other, strict=True):
        if isinstance(left, Decode):
            assert isinstance(right, Decode)
            assert (left.kind, left.start, left.end, left.number) == (right.kind, right.start, right.end, right.number)
            np.testing.assert_allclose(left.window.samples, right.window.samples, atol=tolerance, rtol=0)
        else:
            assert left == right


RATES = st.sampled_from([16_000, 16_000, 8_000, 11_025, 44_100, 48_000, 8_001])
FORMATS = st.builds(AudioFormat, st.sampled_from(Encoding), RATES, st.sampled_from([1, 1, 2]))
LOUD_AND_SILENT_MS = st.lists(st.tuples(st.integers(0, 900), st.integers(0, 60_000)), min_size=1, max_size=4)


def tolerance(audio_format: AudioFormat) -> float:
    if audio_format.encoding is Encoding.ALAW:
        return ALAW_ZERO
    return 0 if audio_format.sample_rate_hz == 16_000 else ROUNDING


@PROPERTY
@given(FORMATS, LOUD_AND_SILENT_MS, st.sampled_from([0, 48]), st.integers(0, 500))
def test_silence_as_a_duration_has_the_same_outputs_as_silent_audio(
    audio_format: AudioFormat, lengths_ms: list[tuple[int, int]], late: int, left_context_ms: int
) -> None:
    """A pair has the length of loud audio and of the silence after it, in milliseconds."""
    duration, audio = (RecordedSession(audio_format, late, left_context_ms=left_context_ms) for _ in range(2))
    for loud_ms, silent_ms in lengths_ms:
        for recorded in (duration, audio):
            recorded.audio(noise(audio_format, loud_ms))
        samples = silent_ms * audio_format.sample_rate_hz // 1000
        duration.silence(samples)
        audio.silent_audio(samples)
        assert duration.positions == audio.positions
    for recorded in (duration, audio):
        recorded.outputs += recorded.session.end()
    assert duration.positions == audio.positions
    assert_alike(duration.outputs, audio.outputs, tolerance(audio_format))


@PROPERTY
@given(st.lists(st.integers(0, 40_000), min_size=1, max_size=5), st.sampled_from([16_000, 48_000]))
def test_silence_may_be_split_into_messages(parts_ms: list[int], rate_hz: int) -> None:
    audio_format = AudioFormat(sample_rate_hz=rate_hz)
    together, apart = RecordedSession(audio_format), RecordedSession(audio_format)
    together.silence(sum(parts_ms) * rate_hz // 1000)
    for part_ms in parts_ms:
        apart.silence(part_ms * rate_hz // 1000)
    assert together.positions == apart.positions
    for recorded in (together, apart):
        recorded.audio(noise(audio_format, 700))
        recorded.outputs += recorded.session.end()
    assert_alike(together.outputs, apart.outputs, tolerance(audio_format))


@pytest.mark.parametrize("missing_bytes", [1, 3, 5])
def test_silence_inside_a_sample_is_equivalent_to_its_bytes(missing_bytes: int) -> None:
    audio_format = AudioFormat(channels=2)
    duration, audio = RecordedSession(audio_format), RecordedSession(audio_format)
    for recorded in (duration, audio):
        recorded.audio(noise(audio_format, 500)[:-missing_bytes])
    duration.silence(20 * 16_000)
    audio.silent_audio(20 * 16_000)
    for recorded in (duration, audio):
        recorded.audio(noise(audio_format, 500)[-missing_bytes:] + noise(audio_format, 500))
        recorded.outputs += recorded.session.end()
    assert_alike(duration.outputs, audio.outputs, 0)


@pytest.mark.parametrize("audio_format", [AudioFormat(), AudioFormat(Encoding.PCM_F32LE, 192_000, 32)])
def test_an_hour_of_silence_costs_no_more_than_a_minute(audio_format: AudioFormat) -> None:
    recorded = RecordedSession(audio_format)
    recorded.silence(3600 * audio_format.sample_rate_hz)
    assert sum(recorded.frames) <= 60 * 32
    assert recorded.session.received_ms == 3_600_000
    assert recorded.session.received_ms - recorded.session.committed_ms < 15_000


def test_settings_changed_in_silence_apply_after_it() -> None:
    duration, audio = RecordedSession(AudioFormat()), RecordedSession(AudioFormat())
    for recorded, send_silence in ((duration, duration.silence), (audio, audio.silent_audio)):
        send_silence(60 * 16_000)
        recorded.session.update({"post_speech_silence_duration": 1.5, "silero_sensitivity": 0.4})
        send_silence(60 * 16_000)
        recorded.audio(noise(AudioFormat(), 900))
        recorded.session.finalize()
        send_silence(60 * 16_000)
        recorded.outputs += recorded.session.end()
    assert_alike(duration.outputs, audio.outputs, 0)


def test_silence_that_is_detected_as_speech_later_is_not_skipped() -> None:
    """For 10 s after an utterance no other may begin; the VAD classifies all audio as speech, weak or strong."""
    duration, audio = (RecordedSession(AudioFormat(), quiet=0.6, gap_s=10) for _ in range(2))
    for recorded, send_silence in ((duration, duration.silence), (audio, audio.silent_audio)):
        recorded.audio(noise(AudioFormat(), 900))
        recorded.outputs += recorded.session.finalize()
        send_silence(60 * 16_000)
        recorded.outputs += recorded.session.end()
    assert_alike(duration.outputs, audio.outputs, 0)
    assert sum(isinstance(output, SpeechStarted) for output in audio.outputs) > 1


@pytest.mark.parametrize("sensitivity", [0.05, 0.8])
def test_silero_gives_the_same_result_after_silence_of_either_kind(sensitivity: float) -> None:
    """Also where the sensitivity disables the gate: Silero then scores each frame."""
    silero = Silero(silero_path())
    server = ServerSettings.model_validate({"silero_sensitivity": sensitivity})

    def session() -> Session:
        return Session(SessionConfig(server, server.runtime(), partials=False), stream_vad_factory(silero, server))

    duration, audio = session(), session()
    outputs: tuple[list[Output], list[Output]] = ([], [])
    for _ in range(2):
        for stream, collected in zip((duration, audio), outputs, strict=True):
            collected += stream.feed(noise(AudioFormat(), 1000))
        for each in duration.feed_silence(70 * 16_000):
            outputs[0].extend(each)
        outputs[1].extend(audio.feed(AudioFormat().silence(70 * 16_000)))
        assert (duration.received_ms, duration.committed_ms) == (audio.received_ms, audio.committed_ms)
    assert_alike(*outputs, 0)
