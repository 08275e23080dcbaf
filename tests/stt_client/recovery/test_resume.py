"""Where a broken dictation goes on, and what of it is told: examples, then laws, with the audio that is kept."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import accumulate

from hypothesis import given, settings
from hypothesis import strategies as st

from stt_client.events import AudioFormat, Finalize, Partial, Progress, Settings, SpeechStarted
from stt_client.recovery.replay_buffer import ReplayBuffer
from stt_client.recovery.resume import Resume, ResumeTracker
from tests.support.stream_events import final_event, suppressed_event


def test_a_dictation_begins_at_its_beginning() -> None:
    assert ResumeTracker().resume == Resume(0, 0)


def test_it_goes_on_after_the_last_final_that_settled_its_sound() -> None:
    resumption = ResumeTracker()
    assert resumption.handle(final_event(0, 100, 900, committed_ms=1000))
    assert resumption.handle(suppressed_event(1, 1100, 1900, committed_ms=2000))
    assert resumption.handle(Progress(received_ms=9000, committed_ms=5000))
    assert resumption.resume == Resume(5000, 2, previous_language="ru")


def test_a_final_whose_sound_is_not_settled_is_heard_again_under_its_number_and_not_told_again() -> None:
    resumption = ResumeTracker()
    assert resumption.handle(final_event(0, 100, 900, committed_ms=0))
    assert resumption.resume == Resume(0, 0)
    assert not resumption.handle(final_event(0, 100, 900, committed_ms=1000))
    assert resumption.resume == Resume(1000, 1, previous_language="ru")


def test_an_utterance_that_was_open_begins_once_and_its_partials_begin_anew() -> None:
    resumption = ResumeTracker()
    begun, partial = SpeechStarted(0, 100), Partial(0, 1, "раз", "", 100, 500)
    assert [resumption.handle(event) for event in (begun, partial)] == [True, True]
    assert [resumption.handle(event) for event in (begun, partial)] == [False, True]


def test_a_partial_of_what_was_told_is_no_news() -> None:
    resumption = ResumeTracker()
    resumption.handle(final_event(0, 100, 900, committed_ms=0))
    assert not resumption.handle(Partial(0, 1, "раз", "", 100, 500))


def test_settled_sound_stays_settled_whatever_a_server_says() -> None:
    resumption = ResumeTracker()
    resumption.handle(Progress(committed_ms=5000))
    resumption.handle(Progress(committed_ms=0))
    assert resumption.committed_ms == 5000


def test_speech_that_was_cut_goes_on_where_it_was_cut_and_only_there() -> None:
    resumption = ResumeTracker()
    resumption.handle(replace(final_event(0, 100, 7900, committed_ms=8000), endpoint="max_length"))
    assert resumption.resume == Resume(8000, 1, continues_utterance=True, previous_language="ru")
    resumption.handle(Progress(committed_ms=18_000))
    assert resumption.resume == Resume(18_000, 1, previous_language="ru")


# A server as a law sees it: utterances of so many frames, one after the other, each told in a final when its sound and
# a moment more were heard; what settles them may come late. A frame is a millisecond, and two bytes.
FORMAT = AudioFormat(1000)
UTTERANCES = st.lists(st.integers(2, 9), min_size=1, max_size=8)


@dataclass(frozen=True, slots=True)
class Attempt:
    """One stream: how much it says and hears before it breaks, and how late finals settle their sound."""

    says: int
    hears: int
    late: int


ATTEMPTS = st.lists(st.builds(Attempt, st.integers(0, 80), st.integers(0, 30), st.integers(0, 2)), max_size=8)
LAW = settings(derandomize=True, deadline=None, max_examples=300)


class Dictated:
    """A dictation whose every byte is known, over streams that break."""

    def __init__(self, lengths: list[int]) -> None:
        self.ends = list(accumulate(lengths))
        self.sound = bytes(number % 251 for number in range(2 * self.ends[-1]))
        self.kept = ReplayBuffer(FORMAT, Settings(), max_buffered_s=3600)
        self.resumption = ResumeTracker()
        self.told: list[int] = []
        self.given = 0

    def attempt(self, attempt: Attempt) -> None:
        """Give some sound, open a stream, have it hear what there is and tell some of what it may."""
        self.give(attempt.says)
        resume = self.resumption.resume
        heard = self.heard()
        begin_ms = resume.audio_offset_ms - self.kept.left_context_ms
        assert heard == self.sound[2 * begin_ms : self.given]
        self.tell(resume, begin_ms + len(heard) // 2, attempt)

    def give(self, size: int) -> None:
        end = min(len(self.sound), self.given + size)
        self.kept.append(self.sound[self.given : end])
        self.given = end

    def heard(self) -> bytes:
        place, heard = self.kept.start, b""
        while (item := self.kept.read(place)) is not None:
            said, place = item
            assert isinstance(said, bytes)
            heard += said
        return heard

    def tell(self, resume: Resume, until_ms: int, attempt: Attempt) -> None:
        number = resume.next_utterance
        after = [end for end in self.ends if resume.audio_offset_ms < end <= until_ms][: attempt.hears]
        for place, end in enumerate(after):
            settled = [resume.audio_offset_ms, *after][max(0, place + 1 - attempt.late)]
            event = final_event(number + place, end - 1, end, committed_ms=settled)
            if self.resumption.handle(event):
                self.told.append(event.utterance)
            self.kept.commit(self.resumption.committed_ms)


@LAW
@given(UTTERANCES, ATTEMPTS)
def test_every_byte_that_is_not_settled_is_said_again_and_every_final_told_once(
    lengths: list[int], attempts: list[Attempt]
) -> None:
    dictated = Dictated(lengths)
    for attempt in [*attempts, Attempt(10_000, 100, 0)]:
        dictated.attempt(attempt)
    assert dictated.told == list(range(len(lengths)))
    assert dictated.resumption.committed_ms == dictated.ends[-1]


COMMANDS = st.lists(
    st.integers(1, 9) | st.builds(Finalize) | st.builds(Settings, st.sampled_from(["ru", "en", "de"])), max_size=20
)


@LAW
@given(COMMANDS, st.integers(0, 60))
def test_settings_and_commands_hold_on_the_next_stream_where_they_held_on_the_last(
    items: list[int | Finalize | Settings], settled_ms: int
) -> None:
    kept, position_ms, language = ReplayBuffer(FORMAT, Settings("ru"), max_buffered_s=3600), 0, "ru"
    expected: list[tuple[int, Finalize | Settings]] = []
    before = language
    settled_ms = min(settled_ms, sum(item for item in items if isinstance(item, int)))
    for item in items:
        if isinstance(item, int):
            kept.append(bytes(2 * item))
            position_ms += item
            continue
        kept.append(item)
        if position_ms >= settled_ms:
            expected.append((position_ms, item))
        elif isinstance(item, Settings):
            before = item.language or before
    kept.commit(settled_ms)
    assert kept.settings.language == before
    assert commands(kept, settled_ms - kept.left_context_ms) == expected


def test_what_is_said_again_begins_a_little_earlier_at_a_whole_number_of_samples() -> None:
    kept = ReplayBuffer(AudioFormat(44_100), Settings(), max_buffered_s=3600)
    kept.append(bytes(2 * 44_100))
    kept.commit(992)
    assert (kept.left_context_ms, kept.start.position, kept.duration_ms) == (192, 2 * 35_280, 8)
    kept.commit(96)
    assert kept.left_context_ms == 96
    kept.close()


def commands(kept: ReplayBuffer, begin_ms: int) -> list[tuple[int, Finalize | Settings]]:
    """Return the commands that a stream says, and where."""
    place, found, position_ms = kept.start, list[tuple[int, Finalize | Settings]](), begin_ms
    while (item := kept.read(place)) is not None:
        said, place = item
        if isinstance(said, bytes):
            position_ms += len(said) // 2
        else:
            found.append((position_ms, said))
    return found


def test_resumed_stream_is_given_the_language_of_the_last_committed_final() -> None:
    resumption = ResumeTracker()
    resumption.handle(replace(final_event(0, 100, 900, committed_ms=1000), language="en"))
    resumption.handle(suppressed_event(1, 1100, 1900, committed_ms=2000))
    assert resumption.resume.previous_language == "en"
    resumption.handle(replace(final_event(2, 2100, 2900, committed_ms=2000), language="ru"))
    assert resumption.resume.previous_language == "en"
    resumption.handle(Progress(received_ms=9000, committed_ms=5000))
    assert resumption.resume.previous_language == "ru"
