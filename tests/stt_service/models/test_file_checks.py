"""Damaged or mismatched files of a model are rejected before the model is loaded."""

from __future__ import annotations

import json
import os
import random
import struct
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

import pytest

from stt_service.errors import InvalidModelError
from stt_service.models.file_checks import check_files
from stt_service.models.store import resolve
from tests.support.models.damaged_models import Change, config, copy_of, cut, fifo, patched

pytestmark = pytest.mark.model
CASES = int(os.environ.get("FUZZ_CASES", "150"))
HEADER_BYTES = 4096  # of model.bin, with the first names, shapes and sizes

Changes = Callable[[Path], Mapping[str, Change]]


@pytest.fixture(scope="module")
def tiny(models_dir: Path) -> Path:
    return resolve("tiny.en", models_dir, fetch=False)


@pytest.fixture(scope="module")
def base(models_dir: Path) -> Path:
    return resolve("base", models_dir, fetch=False)


def error_of(folder: Path) -> str:
    with pytest.raises(InvalidModelError) as caught:
        check_files(folder)
    return str(caught.value)


def json_with(path: Path, change: Callable[[dict[str, dict[str, object]]], object]) -> bytes:
    """Return the JSON file's content after the change."""
    content = json.loads(path.read_bytes())
    change(content)
    return json.dumps(content).encode()


def test_real_models_pass(tiny: Path, base: Path) -> None:
    check_files(tiny)
    check_files(base)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"alignment_heads": 5}, "alignment_heads must be pairs of a layer from 0 to 3 and a head from 0 to 5"),
        ({"alignment_heads": []}, "alignment_heads"),
        ({"alignment_heads": None}, "alignment_heads"),
        ({"alignment_heads": [[99, 99]]}, "alignment_heads"),
        ({"alignment_heads": [[4, 0]]}, "alignment_heads"),
        ({"alignment_heads": [[3, 6]]}, "alignment_heads"),
        ({"alignment_heads": [[-1, 0]]}, "alignment_heads"),
        ({"alignment_heads": [[1.0, 0]]}, "alignment_heads"),
        ({"alignment_heads": [[True, 0]]}, "alignment_heads"),
        ({"alignment_heads": [[1, 0, 0]]}, "alignment_heads"),
        ({"suppress_ids_begin": [99_999_999]}, "suppress_ids_begin must be token ids from 0 to 51863"),
        ({"suppress_ids_begin": [51_864]}, "suppress_ids_begin"),
        ({"suppress_ids": [-5]}, "suppress_ids must be token ids"),
        ({"suppress_ids": "1"}, "suppress_ids must be token ids"),
        ({"lang_ids": [10**400]}, "lang_ids must be token ids"),
    ],
)
def test_config_that_does_not_match_the_weights_is_rejected(
    tiny: Path, tmp_path: Path, values: dict[str, object], message: str
) -> None:
    assert message in error_of(copy_of(tiny, tmp_path / "model", config(tiny, **values)))


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"null", b"[" * 200_000, b"{", b"\xff", b'{"alignment_heads": NaN}', b" " * (2**20 + 1)]
)
def test_config_of_another_format_is_rejected(tiny: Path, tmp_path: Path, content: bytes) -> None:
    assert "config.json" in error_of(copy_of(tiny, tmp_path / "model", {"config.json": content}))


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "vocabulary.txt", "model.bin"])
@pytest.mark.parametrize("make", [None, fifo, Path.mkdir, b""], ids=["missing", "FIFO", "folder", "empty"])
def test_file_that_is_missing_empty_or_not_regular_is_named(
    tiny: Path, tmp_path: Path, name: str, make: Change
) -> None:
    assert name in error_of(copy_of(tiny, tmp_path / "model", {name: make}))


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "model.bin", "vocabulary.txt"])
def test_file_of_another_model_is_rejected(tiny: Path, base: Path, tmp_path: Path, name: str) -> None:
    other = (base / name).symlink_to if name != "vocabulary.txt" else None
    changes: dict[str, Change] = {name: (base / name).read_bytes()} if other else {name: b"a\nb\n"}
    assert str(tmp_path) in error_of(copy_of(tiny, tmp_path / "model", changes))


def test_error_does_not_contain_the_content_of_a_linked_secret(tiny: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("root:HASH:19000:0:::\n")
    for name in ("config.json", "tokenizer.json", "vocabulary.txt", "preprocessor_config.json", "model.bin"):
        assert "HASH" not in error_of(copy_of(tiny, tmp_path / name, {name: secret.read_bytes()}))


@pytest.mark.parametrize(
    "values",
    [{"feature_size": 128}, {"hop_length": 0}, {"chunk_length": 10**8}, {"n_fft": 1}, {"sampling_rate": 8000.0}],
)
def test_features_that_do_not_match_the_model_are_rejected(
    tiny: Path, tmp_path: Path, values: dict[str, object]
) -> None:
    changes: dict[str, Change] = {"preprocessor_config.json": json.dumps(values).encode()}
    assert f"{next(iter(values))} must be " in error_of(copy_of(tiny, tmp_path / "model", changes))


@pytest.mark.parametrize("size", [0, 3, 8, 30, 1000, 5_000_000, 75_537_501])
def test_truncated_weights_are_rejected(tiny: Path, tmp_path: Path, size: int) -> None:
    assert "model.bin is damaged" in error_of(copy_of(tiny, tmp_path / "model", cut(tiny, size)))


def test_weights_with_trailing_bytes_are_rejected(tiny: Path, tmp_path: Path) -> None:
    longer = (tiny / "model.bin").read_bytes() + b"x"
    assert "bytes too many" in error_of(copy_of(tiny, tmp_path / "model", {"model.bin": longer}))


def test_weights_of_another_version_or_architecture_are_rejected(tiny: Path, tmp_path: Path) -> None:
    newer = patched(tiny, 0, struct.pack("<I", 7))
    assert "binary version 7" in error_of(copy_of(tiny, tmp_path / "newer", {"model.bin": newer}))
    other = patched(tiny, 6, b"WhistleSpec")
    assert "it must be a WhisperSpec" in error_of(copy_of(tiny, tmp_path / "other", {"model.bin": other}))


@pytest.mark.parametrize(
    "change",
    [
        lambda content: content["model"]["vocab"].update(zzz=51_864),
        lambda content: content["model"].update(vocab={}),
        lambda content: content["model"].update(vocab=[]),
        lambda content: content.update(added_tokens=[{"content": "<|endoftext|>", "id": 3}]),
        lambda content: content.update(added_tokens=["x"]),
        lambda content: content["model"].update(vocab={token: -i for i, token in enumerate(content["model"]["vocab"])}),
    ],
)
def test_tokenizer_that_does_not_match_the_vocabulary_is_rejected(
    tiny: Path, tmp_path: Path, change: Callable[[dict[str, dict[str, object]]], object]
) -> None:
    content = json_with(tiny / "tokenizer.json", change)
    assert "tokenizer.json" in error_of(copy_of(tiny, tmp_path / "model", {"tokenizer.json": content}))


@pytest.mark.parametrize("ids", [[], [50_257], [50_358]])
def test_invalid_language_ids_are_rejected(base: Path, tmp_path: Path, ids: list[int]) -> None:
    message = error_of(copy_of(base, tmp_path / "model", config(base, lang_ids=ids)))
    assert "lang_ids must be the ids of language tokens" in message


def test_random_damage_raises_only_invalid_model_errors(tiny: Path, tmp_path: Path) -> None:
    """Random damage is written to one copy repeatedly, so that the weights are copied only once."""
    source, numbers = tiny / "model.bin", random.Random(7)
    folder = copy_of(tiny, tmp_path / "model", {"model.bin": source.read_bytes()})
    header = source.read_bytes()[:HEADER_BYTES]
    for case in range(CASES):
        at = numbers.randrange(HEADER_BYTES - 8)
        damage = numbers.choice([numbers.randbytes(1), numbers.randbytes(8), b"\xff" * 4, b"\0" * 4])
        with (folder / "model.bin").open("r+b") as file:
            file.write(header[:at] + damage + header[at + len(damage) :])
        if case % 3 == 0:
            settings = bytearray((tiny / "config.json").read_bytes())
            settings[numbers.randrange(len(settings))] = numbers.randrange(256)
            (folder / "config.json").unlink()
            (folder / "config.json").write_bytes(settings)
        with suppress(InvalidModelError):
            check_files(folder)
