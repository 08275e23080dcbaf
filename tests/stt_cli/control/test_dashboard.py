"""The status dashboard in a terminal: wide and narrow, with a busy and an idle server."""

from __future__ import annotations

from io import StringIO

import pytest
from google.protobuf.duration_pb2 import Duration
from rich.console import Console, RenderableType
from stt.v1 import control_pb2 as pb

from stt_cli.control.dashboard import dashboard, disconnected, status_text

GB = 2**30
BUSY = pb.Status(
    state=pb.STATE_SERVING,
    version="0.1.0",
    uptime=Duration(seconds=3723),
    device=pb.Device(requested="cuda", active="cpu", reason="libcuda.so.1 is missing"),
    resources=pb.Resources(
        memory_bytes=GB,
        machine_memory_bytes=24 * GB,
        cpu_cores_used=1.5,
        cores=2,
        gpus=[pb.Gpu(name="RTX 3090 Ti", memory_bytes=24 * GB, memory_used_bytes=6 * GB)],
    ),
    load=pb.Load(
        streams=3,
        max_streams=8,
        finals_waiting=1,
        partials_waiting=2,
        batches_running=2,
        max_batches=2,
        oldest_final_wait=Duration(seconds=2),
    ),
    counters=pb.Counters(streams=12, utterances=340, words=5012, suppressed=7, audio=Duration(seconds=1800)),
    model="medium",
    partial_model="tiny",
    apis=[pb.Api(name="openai", address="127.0.0.1:8013", open_calls=2, ended_calls=17)],
)
SESSION = pb.Session(
    id="4f1c22ab",
    client_id="desk\x1b[31m",
    peer="10.0.0.7",
    age=Duration(seconds=190),
    audio_received=Duration(seconds=187),
    phase=pb.SESSION_PHASE_SPEECH,
    utterances=21,
    words=311,
    language="ru",
    model="medium",
    api="realtime",
)


def rendered(picture: RenderableType, columns: int = 120) -> str:
    console = Console(file=StringIO(), width=columns, force_terminal=False)
    with console.capture() as captured:
        console.print(picture)
    return captured.get()


@pytest.mark.parametrize(
    "status",
    [
        "gpu-box:8011  serving  0.1.0, up 1:02:03",
        "3 of 8",
        "2 of 2 batches; waiting: 1 final, 0 speculative, 2 partials",
        "final 2.0 s, partial 0.0 s",
        "1.5 of 2",
        "1.0 of 24.0 GB",
        "6.0 of 24.0 GB  RTX 3090 Ti",
        "medium, partials tiny on cpu (libcuda.so.1 is missing)",
        "127.0.0.1:8013, 2 open calls, 17 ended",
        "12 streams, 0 rejected; 30:00 of audio; 340 utterances, 5012 words, 7 suppressed",
    ],
)
def test_dashboard_shows_the_status_of_the_server(status: str) -> None:
    assert status in rendered(dashboard("gpu-box:8011", BUSY, []))


def test_each_stream_has_a_row_with_a_sanitized_client_name() -> None:
    picture = rendered(dashboard("gpu-box:8011", BUSY, [SESSION]))
    [row] = [each for each in picture.splitlines() if "4f1c22ab" in each]
    assert row.split() == "4f1c22ab desk[31m 10.0.0.7 realtime 3:10 3:07 speech 0.0 s 21 311 ru medium".split()


def test_dashboard_without_streams_says_so() -> None:
    assert "No open streams." in rendered(dashboard("gpu-box:8011", BUSY, []))


@pytest.mark.parametrize("columns", [40, 60, 200])
def test_no_line_is_wider_than_the_terminal(columns: int) -> None:
    picture = rendered(dashboard("gpu-box:8011", BUSY, [SESSION]), columns)
    assert max(len(each.rstrip()) for each in picture.splitlines()) <= columns


def test_loading_server_has_no_statistics_yet() -> None:
    picture = rendered(dashboard("gpu-box:8011", pb.Status(state=pb.STATE_LOADING, version="0.1.0"), []))
    assert "loading  0.1.0, up 0.0 s" in picture


def test_lost_server_is_shown_with_the_reason() -> None:
    assert "gpu-box:8011  disconnected  it is gone" in rendered(disconnected("gpu-box:8011", "it is\ngone"))


def test_snapshot_in_a_pipe_is_one_line() -> None:
    assert status_text("gpu-box:8011", BUSY) == (
        "gpu-box:8011: serving, 3 of 8 streams, 1 final and 2 partials waiting, longest wait 2.0 s, 1.5 cores, 1.0 GB"
    )
