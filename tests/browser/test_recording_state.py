"""The pure parts of recording in a page: resume points and replayed items equal those of the client library."""

from __future__ import annotations

from dataclasses import replace
from random import Random

from playwright.async_api import Page

from stt_client.events import (
    AudioFormat,
    Event,
    Final,
    Finalize,
    Partial,
    Progress,
    Settings,
    SpeechStarted,
    Suppressed,
)
from stt_client.recovery.replay_buffer import Cursor, ReplayBuffer
from stt_client.recovery.resume import Resume, ResumeTracker
from tests.support.clients.stream_events import final_event

SEQUENCES = 200
EVENTS = 30
# Endpoints of the client library, and their names on the wire.
ENDPOINTS = {"silence": "ENDPOINT_SILENCE", "max_length": "ENDPOINT_MAX_LENGTH", "finalize": "ENDPOINT_FINALIZE"}

Json = dict[str, object]


def random_event(random: Random) -> Event:
    """Return any event with small numbers, so that repeats, gaps and late commits are frequent."""
    utterance, start_ms = random.randrange(6), random.randrange(0, 4000, 250)
    committed_ms, end_ms = random.randrange(0, 6000, 250), start_ms + random.randrange(250, 2000, 250)
    language, endpoint = random.choice(["", "ru", "en"]), random.choice([*ENDPOINTS])
    match random.randrange(5):
        case 0:
            return SpeechStarted(utterance, start_ms, committed_ms=committed_ms)
        case 1:
            return Partial(utterance, 1, "a", "b", start_ms, end_ms, committed_ms=committed_ms)
        case 2:
            return Suppressed(utterance, start_ms, end_ms, "EMPTY", "", endpoint, committed_ms=committed_ms)
        case 3:
            return Progress(committed_ms=committed_ms)
        case _:
            final = final_event(utterance, start_ms, end_ms, committed_ms=committed_ms)
            return replace(final, language=language, endpoint=endpoint)


def event_json(event: Event) -> Json:
    """Return the event as the page's messages module returns it."""
    names = {
        SpeechStarted: "speech",
        Partial: "partial",
        Final: "final",
        Suppressed: "suppressed",
        Progress: "progress",
    }
    fields: Json = {"type": names[type(event)], "committedMs": event.committed_ms, "receivedMs": event.received_ms}
    if not isinstance(event, Progress):
        assert isinstance(event, SpeechStarted | Partial | Final | Suppressed)
        fields["utterance"] = event.utterance
    if isinstance(event, Final | Suppressed):
        fields |= {"endMs": event.end_ms, "endpoint": ENDPOINTS[event.endpoint]}
    if isinstance(event, Final):
        fields["language"] = event.language
    return fields


def resume_json(resume: Resume) -> Json:
    return {
        "audioOffsetMs": str(resume.audio_offset_ms),
        "nextUtterance": str(resume.next_utterance),
        "continuesUtterance": resume.continues_utterance,
        "previousLanguage": resume.previous_language,
    }


async def test_resume_points_and_repeats_are_those_of_the_client_library(blank_page: Page) -> None:
    random = Random(15)
    sequences = [[random_event(random) for _ in range(EVENTS)] for _ in range(SEQUENCES)]
    expected = []
    for sequence in sequences:
        tracker = ResumeTracker()
        expected.append([[tracker.handle(event), resume_json(tracker.resume)] for event in sequence])
    actual = await blank_page.evaluate(
        """async (sequences) => {
            const { ResumeTracker } = await import("/assets/recording/resume.js");
            return sequences.map((events) => {
                const tracker = new ResumeTracker();
                return events.map((event) => [tracker.handle(event), tracker.resume]);
            });
        }""",
        [[event_json(event) for event in sequence] for sequence in sequences],
    )
    assert actual == expected


async def test_state_of_a_reloaded_page_resumes_at_the_same_point(blank_page: Page) -> None:
    random = Random(16)
    sequences = [[event_json(random_event(random)) for _ in range(EVENTS)] for _ in range(SEQUENCES)]
    differences = await blank_page.evaluate(
        """async (sequences) => {
            const { ResumeTracker } = await import("/assets/recording/resume.js");
            return sequences.filter((events) => {
                const whole = new ResumeTracker();
                let reloaded = new ResumeTracker();
                return events.some((event) => {
                    whole.handle(event);
                    reloaded.handle(event);
                    reloaded = new ResumeTracker(JSON.parse(JSON.stringify(reloaded)));
                    return JSON.stringify(whole.resume) !== JSON.stringify(reloaded.resume);
                });
            });
        }""",
        sequences,
    )
    assert differences == []


FORMAT = AudioFormat(16_000)


def random_steps(random: Random) -> list[Json]:
    """Return appended audio in milliseconds, commands, and commits, which only grow."""
    steps: list[Json] = []
    recorded_ms = committed_ms = 0
    for number in range(EVENTS):
        match random.randrange(5):
            case 0:
                steps.append({"finalize": {}})
            case 1:
                steps.append({"update": {"language": random.choice(["ru", "en"]), "initialPrompt": f"prompt {number}"}})
            case 2:
                committed_ms = random.randint(committed_ms, recorded_ms)
                steps.append({"commit": committed_ms})
            case _:
                steps.append({"audio": (duration_ms := random.randrange(10, 1500, 10))})
                recorded_ms += duration_ms
    return steps


def replayed(steps: list[Json]) -> Json:
    """Return what the client library's buffer sends after the steps, audio joined, and the settings of the config."""
    buffer = ReplayBuffer(FORMAT, Settings(), 3600)
    for step in steps:
        match step:
            case {"audio": int(duration_ms)}:
                buffer.append(bytes(FORMAT.size_bytes(duration_ms)))
            case {"commit": int(committed_ms)}:
                buffer.commit(committed_ms)
            case {"update": {"language": str(language), "initialPrompt": str(prompt)}}:
                buffer.append(Settings(language=language, prompt=prompt))
            case _:
                buffer.append(Finalize())
    return {"items": _items(buffer, buffer.start), "settings": _settings_json(buffer.settings)}


def _items(buffer: ReplayBuffer, cursor: Cursor) -> list[object]:
    items: list[object] = []
    while (read := buffer.read(cursor)) is not None:
        item, cursor = read
        if isinstance(item, bytes) and items and isinstance(items[-1], int):
            items[-1] += len(item)
        else:
            items.append(len(item) if isinstance(item, bytes) else _command_json(item))
    return items


def _command_json(command: Settings | Finalize) -> Json:
    return {"update": _settings_json(command)} if isinstance(command, Settings) else {"finalize": {}}


def _settings_json(settings: Settings) -> Json:
    fields = {"language": settings.language, "initialPrompt": settings.prompt}
    return {name: value for name, value in fields.items() if value is not None}


async def test_replayed_audio_commands_and_settings_are_those_of_the_client_library(blank_page: Page) -> None:
    random = Random(17)
    sequences = [random_steps(random) for _ in range(SEQUENCES)]
    actual = await blank_page.evaluate(
        """async (sequences) => {
            const { AudioFormat } = await import("/assets/recording/audio-format.js");
            const { ReplayBuffer } = await import("/assets/recording/replay-buffer.js");
            const { Tape } = await import("/assets/recording/tape.js");
            const format = new AudioFormat(16000);
            const replay = async (steps) => {
                const tape = new Tape(format, "test", null, () => {});
                const buffer = new ReplayBuffer(format, tape, { settings: {}, commands: [], committedMs: 0 });
                for (const step of steps) {
                    if (step.audio) tape.append(new Uint8Array(format.bytesOf(step.audio)));
                    else if (step.commit !== undefined) buffer.commit(step.commit);
                    else buffer.appendCommand(step);
                }
                const items = [];
                let next;
                for (let cursor = buffer.start; (next = await buffer.read(cursor)); cursor = next.cursor) {
                    if (!(next.item instanceof Uint8Array)) items.push(next.item);
                    else if (typeof items.at(-1) === "number") items.push(items.pop() + next.item.length);
                    else items.push(next.item.length);
                }
                return { items, settings: buffer.settings };
            };
            return Promise.all(sequences.map(replay));
        }""",
        sequences,
    )
    assert actual == [replayed(steps) for steps in sequences]
