"""The resume point of a dictation and which events repeat: examples, then properties with the replay buffer."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import accumulate

from hypothesis import given, settings
from hypothesis import strategies as st

from stt_client.events import AudioFormat, Finalize, Partial, Progress, Settings, SpeechStarted
from stt_client.recovery.replay_buffer import ReplayBuffer
from stt_client.recovery.resume import Resume, ResumeTracker
from tests.support.clients.stream_events import final_event, suppressed_event


def test_new_dictation_resumes_at_zero() -> None:
    assert ResumeTracker().resume == Resume(0, 0)


def test_dictation_resumes_after_the_last_committed_final() -> None:
    tracker = ResumeTracker()
    assert tracker.handle(final_event(0, 100, 900, committed_ms=1000))
    assert tracker.handle(suppressed_event(1, 1100, 1900, committed_ms=2000))
    assert tracker.handle(Progress(received_ms=9000, committed_ms=5000))
    assert tracker.resume == Resume(5000, 2, previous_language="ru")


def test_uncommitted_final_is_recognized_again_with_its_number_and_not_repeated() -> None:
    tracker = ResumeTracker()
    assert tracker.handle(final_event(0, 100, 900, committed_ms=0))
    assert tracker.resume == Resume(0, 0)
    assert not tracker.handle(final_event(0, 100, 900, committed_ms=1000))
    assert tracker.resume == Resume(1000, 1, previous_language="ru")


def test_open_utterance_starts_once_and_its_partials_restart() -> None:
    tracker = ResumeTracker()
    started, partial = SpeechStarted(0, 100), Partial(0, 1, "раз", "", 100, 500)
    assert [tracker.handle(event) for event in (started, partial)] == [True, True]
    assert [tracker.handle(event) for event in (started, partial)] == [False, True]


def test_partial_of_an_emitted_final_is_dropped() -> None:
    tracker = ResumeTracker()
    tracker.handle(final_event(0, 100, 900, committed_ms=0))
    assert not tracker.handle(Partial(0, 1, "раз", "", 100, 500))


def test_committed_position_never_decreases() -> None:
    tracker = ResumeTracker()
    tracker.handle(Progress(committed_ms=5000))
    tracker.handle(Progress(committed_ms=0))
    assert tracker.committed_ms == 5000


def test_split_utterance_continues_only_at_its_split() -> None:
    tracker = ResumeTracker()
    tracker.handle(replace(final_event(0, 100, 7900, committed_ms=8000), endpoint="max_length"))
    assert tracker.resume == Resume(8000, 1, continues_utterance=True, previous_language="ru")
    tracker.handle(Progress(committed_ms=18_000))
    assert tracker.resume == Resume(18_000, 1, previous_language="ru")


# The server of the properties: consecutive utterances of these lengths in frames. Each gets a final after its audio was
# received; the commit may come later. A frame is a millisecond and two bytes.
FORMAT = AudioFormat(1000)
UTTERANCES = st.lists(st.integers(2, 9), min_size=1, max_size=8)


@dataclass(frozen=True, slots=True)
class Attempt:
    """One stream that fails: bytes captured before it, finals received, and finals by which commits are late."""

    captured_bytes: int
    finals: int
    commit_delay: int


ATTEMPTS = st.lists(st.builds(Attempt, st.integers(0, 80), st.integers(0, 30), st.integers(0, 2)), max_size=8)
PROPERTY = settings(derandomize=True, deadline=None, max_examples=300)


class SimulatedDictation:
    """A dictation with known audio over streams that fail."""

    def __init__(self, lengths: list[int]) -> None:
        self.ends = list(accumulate(lengths))
        self.audio = bytes(number % 251 for number in range(2 * self.ends[-1]))
        self.buffer = ReplayBuffer(FORMAT, Settings(), max_buffered_s=3600)
        self.tracker = ResumeTracker()
        self.emitted: list[int] = []
        self.captured = 0

    def attempt(self, attempt: Attempt) -> None:
        """Capture audio, open a stream that receives all buffered audio, and emit some of its finals."""
        self.capture(attempt.captured_bytes)
        resume = self.tracker.resume
        received = self.received()
        begin_ms = resume.audio_offset_ms - self.buffer.left_context_ms
        assert received == self.audio[2 * begin_ms : self.captured]
        self.emit(resume, begin_ms + len(received) // 2, attempt)

    def capture(self, size: int) -> None:
        end = min(len(self.audio), self.captured + size)
        self.buffer.append(self.audio[self.captured : end])
        self.captured = end

    def received(self) -> bytes:
        cursor, received = self.buffer.start, b""
        while (item := self.buffer.read(cursor)) is not None:
            chunk, cursor = item
            assert isinstance(chunk, bytes)
            received += chunk
        return received

    def emit(self, resume: Resume, until_ms: int, attempt: Attempt) -> None:
        number = resume.next_utterance
        after = [end for end in self.ends if resume.audio_offset_ms < end <= until_ms][: attempt.finals]
        for index, end in enumerate(after):
            committed_ms = [resume.audio_offset_ms, *after][max(0, index + 1 - attempt.commit_delay)]
            event = final_event(number + index, end - 1, end, committed_ms=committed_ms)
            if self.tracker.handle(event):
                self.emitted.append(event.utterance)
            self.buffer.commit(self.tracker.committed_ms)


@PROPERTY
@given(UTTERANCES, ATTEMPTS)
def test_uncommitted_audio_is_resent_and_each_final_is_emitted_once(
    lengths: list[int], attempts: list[Attempt]
) -> None:
    dictation = SimulatedDictation(lengths)
    for attempt in [*attempts, Attempt(10_000, 100, 0)]:
        dictation.attempt(attempt)
    assert dictation.emitted == list(range(len(lengths)))
    assert dictation.tracker.committed_ms == dictation.ends[-1]


COMMANDS = st.lists(
    st.integers(1, 9) | st.builds(Finalize) | st.builds(Settings, st.sampled_from(["ru", "en", "de"])), max_size=20
)


@PROPERTY
@given(COMMANDS, st.integers(0, 60))
def test_settings_and_commands_apply_at_the_same_positions_after_a_resume(
    items: list[int | Finalize | Settings], committed_ms: int
) -> None:
    buffer, position_ms, language = ReplayBuffer(FORMAT, Settings("ru"), max_buffered_s=3600), 0, "ru"
    expected: list[tuple[int, Finalize | Settings]] = []
    previous_language = language
    committed_ms = min(committed_ms, sum(item for item in items if isinstance(item, int)))
    for item in items:
        if isinstance(item, int):
            buffer.append(bytes(2 * item))
            position_ms += item
            continue
        buffer.append(item)
        if position_ms >= committed_ms:
            expected.append((position_ms, item))
        elif isinstance(item, Settings):
            previous_language = item.language or previous_language
    buffer.commit(committed_ms)
    assert buffer.settings.language == previous_language
    assert commands(buffer, committed_ms - buffer.left_context_ms) == expected


def test_replay_starts_with_left_context_at_a_whole_number_of_samples() -> None:
    buffer = ReplayBuffer(AudioFormat(44_100), Settings(), max_buffered_s=3600)
    buffer.append(bytes(2 * 44_100))
    buffer.commit(992)
    assert (buffer.left_context_ms, buffer.start.position, buffer.duration_ms) == (192, 2 * 35_280, 8)
    buffer.commit(96)
    assert buffer.left_context_ms == 96
    buffer.close()


def commands(buffer: ReplayBuffer, begin_ms: int) -> list[tuple[int, Finalize | Settings]]:
    """Return the commands that a stream receives, with their positions."""
    cursor, found, position_ms = buffer.start, list[tuple[int, Finalize | Settings]](), begin_ms
    while (item := buffer.read(cursor)) is not None:
        entry, cursor = item
        if isinstance(entry, bytes):
            position_ms += len(entry) // 2
        else:
            found.append((position_ms, entry))
    return found


def test_resumed_stream_receives_the_language_of_the_last_committed_final() -> None:
    tracker = ResumeTracker()
    tracker.handle(replace(final_event(0, 100, 900, committed_ms=1000), language="en"))
    tracker.handle(suppressed_event(1, 1100, 1900, committed_ms=2000))
    assert tracker.resume.previous_language == "en"
    tracker.handle(replace(final_event(2, 2100, 2900, committed_ms=2000), language="ru"))
    assert tracker.resume.previous_language == "en"
    tracker.handle(Progress(received_ms=9000, committed_ms=5000))
    assert tracker.resume.previous_language == "ru"
