"""Silero's scores are exact, and the gate only saves work: the real model on speech recordings and on noise."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from faster_whisper.vad import get_vad_model

from benchmarks.recordings import Recording
from stt_service.audio.pcm import Frames, FrameSplitter, Samples
from stt_service.errors import ModelNotFoundError
from stt_service.settings.schema import ServerSettings
from stt_service.vad import gate as vad
from stt_service.vad.gate import GateConfig, StreamVad, gate_config
from stt_service.vad.segmenter import Segmenter
from stt_service.vad.silero import Probabilities, Silero, silero_path
from stt_service.vad.types import Decision, SegmenterConfig, UtteranceEnded, segmenter_config

EPOCH, WARM_UP = 32, 8  # frames
LATEST = 48  # the longest delay of a probability, in frames
SETTINGS = ServerSettings.model_validate({})
SEGMENTING = segmenter_config(SETTINGS.runtime(), SETTINGS)
GATE = gate_config(SEGMENTING, 3)
UNGATED = replace(GATE, aggressiveness=None)
SECOND = 31  # frames
UTTERANCES = ("en/riva-question", "ru/auth-incorrect", "en/austen-0930", "ru/tt-somethingwrong")


def framed(samples: Samples) -> Frames:
    splitter = FrameSplitter()
    return np.concatenate((splitter.push(samples), splitter.flush()))


def silence(frames: int) -> Frames:
    return np.zeros((frames, 512), np.float32)


def hiss(frames: int, level: float) -> Frames:
    return (level * np.random.default_rng(3).standard_normal((frames, 512))).astype(np.float32)


def ranges(length: int) -> list[tuple[int, int]]:
    """Return ranges that cover the length, some of them empty."""
    return list(pairwise(sorted([0, length, *np.random.default_rng(3).integers(0, length, 40).tolist()])))


def file_of(package: str, name: str) -> Path:
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        pytest.skip(f"{package} is not installed")
    return Path(spec.origin).parent / name


@pytest.fixture(
    scope="module",
    params=[("faster_whisper", "assets/silero_vad_v6.onnx"), ("silero_vad", "data/silero_vad.onnx")],
    ids=["faster-whisper", "silero-vad"],
)
def silero(request: pytest.FixtureRequest) -> Silero:
    return Silero(file_of(*request.param))


@pytest.fixture(scope="module")
def speech(recordings: Mapping[str, Recording]) -> Frames:
    frames = framed(recordings["en/riva-question"].samples())
    return frames[: np.flatnonzero(np.mean(frames**2, axis=1) > 1e-4)[-1]]


@pytest.fixture(scope="module")
def conversation(recordings: Mapping[str, Recording]) -> Frames:
    """Return sentences in English and Russian with a long pause before each."""
    parts = [silence(150)]
    for name, pause in zip(UTTERANCES, (131, 222, 187, 150), strict=True):
        parts += [framed(recordings[name].samples()), silence(pause)]
    return np.concatenate(parts)


def probabilities_of(vad: StreamVad, frames: Frames) -> Probabilities:
    return np.concatenate((vad.push(frames), vad.flush()))


def decisions_for(probabilities: Probabilities, config: SegmenterConfig = SEGMENTING) -> list[Decision | None]:
    segmenter = Segmenter(config)
    return [segmenter.step(p, 0) for p in probabilities.tolist()]


def test_scores_do_not_depend_on_the_chunks(silero: Silero, speech: Frames) -> None:
    whole, state = silero.score(silero.start(), speech), silero.start()
    parts = [silero.score(state, speech[begin:end]) for begin, end in ranges(len(speech))]
    assert np.array_equal(np.concatenate(parts), whole)


def test_scores_are_those_of_the_wrapper_of_faster_whisper(speech: Frames) -> None:
    silero = Silero(file_of("faster_whisper", "assets/silero_vad_v6.onnx"))
    ours, theirs = silero.score(silero.start(), speech), get_vad_model()(speech.ravel().copy())
    assert ours[:-1] == pytest.approx(theirs.ravel()[:-1], abs=1e-5)  # it blanks the end of its last frame


def test_streams_do_not_affect_each_other(silero: Silero, speech: Frames) -> None:
    alone, first, second = silero.score(silero.start(), speech), silero.start(), silero.start()
    scores = []
    for frame in speech:
        scores.append(silero.score(first, frame[None]))
        silero.score(second, hiss(1, 0.1))
    assert np.array_equal(np.concatenate(scores), alone)


def test_speech_scores_high_and_noise_low(silero: Silero, speech: Frames) -> None:
    assert np.mean(silero.score(silero.start(), speech) > 0.95) > 0.3
    for noise in (silence(100), hiss(100, 1e-3)):
        assert silero.score(silero.start(), noise).max() < 0.3


def test_silero_is_found_without_importing_its_package() -> None:
    code = (
        "import sys; from stt_service.vad.silero import silero_path; silero_path();"
        "sys.exit(bool({'torch', 'silero_vad', 'faster_whisper'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_silero_of_its_own_package_has_priority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = tmp_path / "silero_vad" / "data" / "silero_vad.onnx"
    model.parent.mkdir(parents=True)
    model.touch()
    (tmp_path / "silero_vad" / "__init__.py").write_text("raise AssertionError('it must not be imported')")
    monkeypatch.syspath_prepend(tmp_path)
    assert silero_path() == model


def test_error_without_silero_names_the_packages_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    for package in ("silero_vad", "faster_whisper"):
        monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ModelNotFoundError, match="install faster-whisper or silero-vad"):
        silero_path()


@pytest.mark.parametrize("level", [1.0, 0.1, 0.01])
@pytest.mark.parametrize("noise", [0.0, 2e-4])
def test_gate_does_not_change_decisions(silero: Silero, conversation: Frames, level: float, noise: float) -> None:
    frames = level * conversation + hiss(len(conversation), noise)
    ungated = probabilities_of(StreamVad(silero, UNGATED), frames)
    assert sum(decision is not None for decision in decisions_for(ungated)) >= len(UTTERANCES)
    for aggressiveness in range(4):
        vad = StreamVad(silero, replace(GATE, aggressiveness=aggressiveness))
        gated = probabilities_of(vad, frames)
        assert decisions_for(gated) == decisions_for(ungated)
        skipped = gated == 0
        assert np.array_equal(gated[~skipped], ungated[~skipped])
        assert ungated[skipped].max() < GATE.speech_threshold
        assert vad.scored_frames < 0.9 * len(frames)


@pytest.mark.parametrize("aggressiveness", [None, 3])
def test_probabilities_do_not_depend_on_the_chunks(
    silero: Silero, conversation: Frames, aggressiveness: int | None
) -> None:
    config = replace(GATE, aggressiveness=aggressiveness)
    whole, vad = probabilities_of(StreamVad(silero, config), conversation), StreamVad(silero, config)
    parts = [vad.push(conversation[begin:end]) for begin, end in ranges(len(conversation))]
    assert np.array_equal(np.concatenate([*parts, vad.flush()]), whole)


@pytest.mark.parametrize("frames", [silence(60 * SECOND), hiss(60 * SECOND, 1e-3)], ids=["zeros", "hiss"])
def test_silero_is_skipped_in_silence(silero: Silero, frames: Frames) -> None:
    vad = StreamVad(silero, GATE)
    probabilities = np.concatenate([vad.push(frames[at : at + 3]) for at in range(0, len(frames), 3)])
    assert vad.scored_frames <= 2 * SECOND
    assert len(frames) - LATEST <= len(probabilities)
    assert probabilities.max() < GATE.speech_threshold


def test_silero_scores_every_frame_immediately_without_a_gate(silero: Silero) -> None:
    vad = StreamVad(silero, UNGATED)
    assert [len(vad.push(silence(7))) for _ in range(20)] == [7] * 20
    assert vad.scored_frames == 140 + 4 * WARM_UP


def test_an_epoch_of_silence_is_scored_from_a_new_state_after_a_warm_up(silero: Silero) -> None:
    frames = hiss(2 * EPOCH, 1e-2)
    restarted = silero.score(silero.start(), frames[EPOCH - WARM_UP :])[WARM_UP:]
    assert np.array_equal(StreamVad(silero, UNGATED).push(frames)[EPOCH:], restarted)


@pytest.mark.parametrize(
    ("at", "awake"),
    [
        pytest.param(32 * 4 + 20, [4], id="its own epoch"),
        pytest.param(32 * 4 + 15, [3, 4], id="and the epoch before, shortly after its end"),
        pytest.param(32 * 4 + 16, [4], id="but not later"),
        pytest.param(32 * 4 - 9, [3], id="and not the next epoch, well before it"),
        pytest.param(32 * 4 - 8, [3, 4], id="but the next epoch, shortly before it"),
    ],
)
def test_sound_activates_silero_for_the_epochs_near_it(silero: Silero, at: int, awake: list[int]) -> None:
    frames = silence(8 * EPOCH)
    frames[at] = hiss(1, 1e-3)
    probabilities = StreamVad(silero, GATE).push(frames)
    assert [epoch for epoch in range(1, 6) if probabilities[epoch * EPOCH]] == awake


def test_the_first_second_is_always_scored(silero: Silero) -> None:
    probabilities = StreamVad(silero, GATE).push(silence(3 * EPOCH))
    assert np.count_nonzero(probabilities) == EPOCH


def test_silero_is_skipped_again_once_the_noise_estimate_has_grown(silero: Silero) -> None:
    vad = StreamVad(silero, GATE)
    vad.push(np.concatenate((hiss(100, 1e-3), hiss(500, 1e-2))))
    before = vad.scored_frames
    vad.push(hiss(200, 1e-2))
    assert vad.scored_frames == before


def test_silero_is_skipped_in_minimal_noise(silero: Silero) -> None:
    vad = StreamVad(silero, GATE)
    vad.push(np.concatenate((silence(100), hiss(300, 2e-5))))
    assert vad.scored_frames == EPOCH


def test_webrtc_detects_speech_in_loud_noise_and_less_noise_at_higher_aggressiveness(
    silero: Silero, speech: Frames
) -> None:
    drowned = np.concatenate((silence(150), speech, silence(150))) + hiss(300 + len(speech), 0.03)
    scored = []
    for aggressiveness in range(4):
        vad = StreamVad(silero, GateConfig(aggressiveness, hold_frames=1, speech_threshold=2))
        vad.push(drowned)
        scored.append(vad.scored_frames)
    assert EPOCH < scored[3] < 0.6 * len(drowned) < scored[0]


def test_flush_scores_the_remaining_frames(silero: Silero, speech: Frames) -> None:
    vad = StreamVad(silero, GATE)
    assert len(vad.push(silence(100))) < 100
    before = vad.scored_frames
    assert len(vad.flush()) == 100 - 64  # the probabilities of two epochs were returned
    assert vad.scored_frames > before
    assert len(vad.flush()) == 0
    assert decisions_for(probabilities_of(vad, speech)) != [None] * len(speech)


def ended_at(silero: Silero, gate: GateConfig, frames: Frames) -> int:
    """Return the number of frames pushed until the first utterance ended."""
    vad, segmenter = StreamVad(silero, gate), Segmenter(SEGMENTING)
    for pushed, frame in enumerate(frames, 1):
        decisions = [segmenter.step(p, 0) for p in vad.push(frame[None]).tolist()]
        if any(isinstance(decision, UtteranceEnded) for decision in decisions):
            return pushed
    raise AssertionError("no utterance ended")


def test_gate_does_not_delay_endpoints(silero: Silero, speech: Frames) -> None:
    frames = np.concatenate((silence(100), speech, silence(200)))
    ungated = ended_at(silero, UNGATED, frames)
    assert ended_at(silero, GATE, frames) == ungated


def frames_until_gated(vad: StreamVad, frames: int) -> int:
    """Return the number of frames of silence that are scored without delay before the gate closes."""
    answers = [len(vad.push(silence(1))) for _ in range(frames)]
    return answers.index(0) if 0 in answers else frames


def test_shorter_hold_takes_effect_at_the_next_silence(silero: Silero, speech: Frames) -> None:
    slow = replace(SEGMENTING, hangover_frames=250)
    vad = StreamVad(silero, gate_config(slow, 3))
    vad.push(speech)
    vad.reconfigure(SEGMENTING, 3)
    vad.push(speech)
    assert 240 < frames_until_gated(vad, 400) < 300
    vad.push(silence(100))
    vad.push(speech)
    assert SEGMENTING.min_length_frames - 10 < frames_until_gated(vad, 400) < 130


def test_longer_hold_takes_effect_immediately(silero: Silero, speech: Frames) -> None:
    vad = StreamVad(silero, GATE)
    vad.push(speech[:60])
    vad.reconfigure(replace(SEGMENTING, hangover_frames=250), 3)
    vad.push(speech[60:])
    assert frames_until_gated(vad, 400) > 240


def test_gate_can_be_reconfigured(silero: Silero) -> None:
    vad = StreamVad(silero, GATE)
    vad.push(silence(100))
    vad.reconfigure(replace(SEGMENTING, onset_threshold=0.1), 3)  # no gate at such a sensitivity
    vad.push(silence(100))
    assert len(vad.push(silence(10))) == 10


def test_hold_is_longer_than_any_wait_for_an_endpoint() -> None:
    waits = replace(SEGMENTING, hangover_frames=40, min_length_frames=90)
    assert gate_config(waits, 2).hold_frames > 90
    assert gate_config(replace(waits, hangover_frames=120), 2).hold_frames > 120
    assert gate_config(waits, 2).aggressiveness == 2


@pytest.mark.parametrize(
    ("onset", "offset", "gate"),
    [
        pytest.param(0.95, 0.35, GateConfig(1, 65, 0.35), id="the threshold that continues an utterance"),
        pytest.param(0.0, 0.01, GateConfig(None, 65, 0.0), id="everything is speech: no gate"),
        pytest.param(0.25, 0.1, GateConfig(None, 65, 0.1), id="noise may be speech: no gate"),
    ],
)
def test_gate_follows_the_thresholds(onset: float, offset: float, gate: GateConfig) -> None:
    assert gate_config(replace(SEGMENTING, onset_threshold=onset, offset_threshold=offset), 1) == gate


def test_skipping_digital_silence_does_not_change_the_trigger(speech: Frames, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing else is skipped: the flags of the frames after it are the same."""
    audio = np.concatenate([speech[:90], silence(100), speech[90:150], silence(77), hiss(40, 0.01), speech[150:]])

    def flags() -> list[bool]:
        trigger = vad.SpeechTrigger()
        return [bool(flag) for i in range(0, len(audio), 3) for flag in trigger.push(audio[i : i + 3], 3)]

    skipping = flags()
    monkeypatch.setattr(vad, "_STEADY_ZERO_FRAMES", len(audio))
    assert skipping == flags()
    assert any(skipping)
