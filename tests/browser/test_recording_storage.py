"""Audio in the browser's storage: reads at any position, the budget, and audio that must never be deleted."""

from __future__ import annotations

from playwright.async_api import Page

# A recording of 16 kHz: `seconds` of audio in chunks of 50 ms whose bytes are their position, of which `committedMs`
# are committed.
STORE = """
const { openJournal } = await import("/assets/recording/journal.js");
const { Recording } = await import("/assets/recording/recording.js");
const { enforceBudget, makeRoom } = await import("/assets/recording/retention.js");
const { isResult } = await import("/assets/recording/resume.js");
const journal = await openJournal();
const CHUNK = 1600;
const SECOND = 32000;
const store = async (id, startedAt, seconds, committedMs, isComplete) => {
    const errors = [];
    const recording = Recording.begin(journal, id, 16000, {}, (error) => errors.push(String(error)));
    for (let number = 0; number < seconds * 20; number += 1) {
        recording.tape.append(new Uint8Array(CHUNK).fill(number % 251));
    }
    await recording.tape.flush();
    const row = await journal.recording(id);
    await journal.putRecording({ ...row, startedAt, isComplete, resume: { ...row.resume, committedMs } });
    if (errors.length) throw new Error(errors[0]);
    return recording;
};
const extents = async () => {
    const rows = await journal.recordings();
    return Promise.all(rows.map(async ({ id }) => [id, await journal.extent(id)]));
};
"""


async def test_audio_before_the_last_minute_is_read_from_storage(blank_page: Page) -> None:
    wrong = await blank_page.evaluate(
        f"""async () => {{
            {STORE}
            const recording = await store("long", 1, 70, 0, false);
            recording.tape.append(new Uint8Array(CHUNK)); // moves the oldest audio out of memory
            const wrong = [];
            if (recording.tape._memoryStart < 9 * SECOND) wrong.push("all audio is in memory");
            for (let position = 0; position < 70 * SECOND; position += 7919 * 2) {{
                const audio = await recording.tape.read(position, 5000);
                const isRight = audio.every((byte, index) => {{
                    return byte === Math.floor((position + index) / CHUNK) % 251 || position + index >= 70 * SECOND;
                }});
                if (!audio.length || !isRight) wrong.push(position);
            }}
            return wrong;
        }}"""
    )
    assert wrong == []


async def test_budget_deletes_the_oldest_committed_audio(blank_page: Page) -> None:
    before, after = await blank_page.evaluate(
        f"""async () => {{
            {STORE}
            await store("complete", 1, 10, 10000, true);
            await store("uncommitted", 2, 10, 0, false);
            await store("open", 3, 10, 8000, false);
            const before = await extents();
            await enforceBudget(journal, 13 * SECOND);
            return [before, await extents()];
        }}"""
    )
    second = 32_000
    whole = {"start": 0, "end": 10 * second}
    assert before == [["complete", whole], ["uncommitted", whole], ["open", whole]]
    (uncommitted, open_recording) = after  # the complete one lost all of its audio
    assert uncommitted == ["uncommitted", whole]
    # 7 s of audio before the left context of the committed position, less the chunks at the boundary.
    assert open_recording[0] == "open"
    assert 4 * second < open_recording[1]["start"] <= 7 * second
    assert open_recording[1]["end"] == 10 * second


async def test_full_storage_deletes_nothing_without_text(blank_page: Page) -> None:
    before, after = await blank_page.evaluate(
        f"""async () => {{
            {STORE}
            await store("uncommitted", 1, 10, 0, false);
            await store("failed", 2, 10, 300, false);
            const before = await extents();
            await makeRoom(journal);
            return [before, await extents()];
        }}"""
    )
    assert before == after


async def test_recording_is_reopened_with_its_results_commands_and_position(blank_page: Page) -> None:
    reopened = await blank_page.evaluate(
        f"""async () => {{
            {STORE}
            const recording = await store("reopened", 1, 10, 0, false);
            const final = {{
                type: "final", utterance: 0, text: "раз", startMs: 500, endMs: 3000, language: "ru", words: [],
                endpoint: "ENDPOINT_SILENCE", receivedMs: 4000, committedMs: 4000,
            }};
            recording.tracker.handle(final);
            recording.buffer.commit(4000);
            recording.saveResult(final);
            recording.appendCommand({{ update: {{ language: "en" }} }});
            await recording.flush();
            const again = await Recording.reopen(journal, await journal.recording("reopened"), () => {{}});
            const items = [];
            let next;
            for (let cursor = again.buffer.start; (next = await again.buffer.read(cursor)); cursor = next.cursor) {{
                items.push(next.item instanceof Uint8Array ? next.item.length : next.item);
            }}
            const audio = await again.audioOf(0);
            return {{ resume: again.tracker.resume, items, bytes: audio.size }};
        }}"""
    )
    assert reopened["resume"] == {
        "audioOffsetMs": "4000",
        "nextUtterance": "1",
        "continuesUtterance": False,
        "previousLanguage": "ru",
    }
    *audio, command = reopened["items"]
    assert command == {"update": {"language": "en"}}
    assert sum(audio) == 32 * (10_000 - 3840)  # from the left context on, a multiple of 160 ms
    assert reopened["bytes"] == 44 + 32 * (3250 - 350)


async def test_audio_is_lost_with_the_page_unless_it_is_committed_or_stored_with_its_row(blank_page: Page) -> None:
    unstored_ms = await blank_page.evaluate(
        """async () => {
            const { Recording } = await import("/assets/recording/recording.js");
            const [accept, refuse] = [async () => {}, () => Promise.reject(new DOMException("", "QuotaExceededError"))];
            const unstoredMs = async (putRecording, putChunks) => {
                const recording = Recording.begin({ putRecording, putChunks }, "id", 16000, {}, () => {});
                recording.tape.append(new Uint8Array(3 * 32000));
                await recording.flush();
                const all = recording.unstoredMs;
                recording.tracker.committedMs = 1000;
                return [all, recording.unstoredMs];
            };
            const storages = [[accept, accept], [accept, refuse], [refuse, accept]];
            return Promise.all(storages.map((puts) => unstoredMs(...puts)));
        }"""
    )
    assert unstored_ms == [[0, 0], [3000, 2000], [3000, 2000]]


# Tapes without storage. All chunks are views of one buffer, so that 128 MiB need no memory.
TAPES = """
const { MAX_MEMORY_BYTES, Tape } = await import("/assets/recording/tape.js");
const { AudioFormat } = await import("/assets/recording/audio-format.js");
const MIB = 2 ** 20;
const buffer = new Uint8Array(MIB);
const tapeOf = (mib) => {
    const tape = new Tape(new AudioFormat(16000), "test", null, () => {});
    record(tape, mib);
    return tape;
};
const record = (tape, mib) => {
    for (let number = 0; number < mib; number += 1) tape.append(buffer);
};
const keptMib = async (tape) => (tape.end - (await tape.start())) / MIB;
const keptMibs = (...tapes) => Promise.all(tapes.map(keptMib));
"""


async def test_memory_for_audio_has_one_limit_for_all_recordings(blank_page: Page) -> None:
    limit, kept, is_full = await blank_page.evaluate(
        f"""async () => {{
            {TAPES}
            const tapes = [tapeOf(60), tapeOf(60)];
            for (const tape of tapes) tape.complete();
            const running = tapeOf(50);
            const kept = [await keptMibs(...tapes, running)];
            const isFull = [running.isFull];
            record(running, 50);
            kept.push(await keptMibs(...tapes, running));
            record(running, 28);
            isFull.push(running.isFull);
            kept.push(await keptMibs(...tapes, running));
            record(running, 1);
            return [MAX_MEMORY_BYTES / MIB, kept, [...isFull, running.isFull]];
        }}"""
    )
    assert limit == 128
    assert kept == [[18, 60, 50], [0, 28, 100], [0, 0, 128]]
    assert is_full == [False, False, True]


async def test_memory_full_of_audio_without_text_stops_the_next_recording(blank_page: Page) -> None:
    kept, is_full = await blank_page.evaluate(
        f"""async () => {{
            {TAPES}
            const stopped = tapeOf(100);
            const running = tapeOf(28);
            const isFull = [running.isFull];
            record(running, 1);
            isFull.push(running.isFull);
            stopped.complete();  // its text has arrived
            record(running, 1);
            return [await keptMibs(stopped, running), [...isFull, running.isFull]];
        }}"""
    )
    assert is_full == [False, True, False]
    assert kept == [98, 30]


async def test_committed_audio_of_a_running_recording_is_dropped_after_that_of_ended_ones(blank_page: Page) -> None:
    kept = await blank_page.evaluate(
        f"""async () => {{
            {TAPES}
            const running = tapeOf(60);
            running.release(40 * MIB);
            const ended = tapeOf(60);
            ended.complete();
            record(running, 20);
            const kept = [await keptMibs(running, ended)];
            record(running, 50);
            return [...kept, await keptMibs(running, ended)];
        }}"""
    )
    assert kept == [[80, 48], [128, 0]]
