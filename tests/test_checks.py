"""Which decodes are made again."""

from __future__ import annotations

from dataclasses import replace

import pytest

from stt_service.checks import Decoded, compression_ratio

GOOD = Decoded((1, 2), "Good morning.", -0.3, 0.02, 1.0, complete=True, temperature=0.0)


def test_a_clear_decode_is_made_once() -> None:
    assert not GOOD.doubtful


@pytest.mark.parametrize(
    "decoded",
    [
        pytest.param(replace(GOOD, compression_ratio=2.5), id="it repeats itself"),
        pytest.param(replace(GOOD, complete=False), id="it ran into its limit"),
        pytest.param(replace(GOOD, average_log_probability=-1.1), id="it is unsure"),
    ],
)
def test_a_doubtful_decode_is_made_again(decoded: Decoded) -> None:
    assert decoded.doubtful


def test_what_is_unsure_because_nobody_speaks_is_not_made_again() -> None:
    assert not replace(GOOD, average_log_probability=-1.1, no_speech_probability=0.7).doubtful


def test_a_text_that_repeats_itself_compresses_well() -> None:
    assert compression_ratio("and so on " * 20) > 2.4 > compression_ratio("and so my fellow Americans ask not")
