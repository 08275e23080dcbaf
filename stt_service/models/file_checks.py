"""Checks the files of a model before it is loaded: they exist, have the right format and belong together.

CTranslate2 checks little of this. An alignment head or a token id that the model does not have makes it read out of
bounds, which ends the process; a vocabulary of another model gives meaningless text. Damaged values of the weights
are found only by a decode: `trial.py`.
"""

from __future__ import annotations

import json
import re
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from stt_service.errors import InvalidModelError
from stt_service.models.weights_header import Header, read_header
from stt_service.settings.schema import AUTO, is_language

MAX_CONFIG_BYTES = 2**20  # of config.json and preprocessor_config.json; real ones have 2 kB
MAX_VOCABULARY_BYTES = 2**26  # of a vocabulary or a tokenizer; real ones have 4 MB
SPEC = "WhisperSpec"
MULTILINGUAL_TOKENS = 51_865  # CTranslate2 treats a model with at least this many tokens as multilingual
CONTEXT_TOKENS = 448  # of Whisper's decoder; the engine relies on it
ENCODER_FRAMES = 1500  # 30 s of audio
# How Whisper splits audio into frames; the engine relies on it. `feature_size` depends on the model.
FEATURES = {"sampling_rate": 16_000, "hop_length": 160, "n_fft": 400, "chunk_length": 30}
DEFAULT_FEATURE_SIZE = 80
LAYER = re.compile(r"decoder/layer_(\d{1,4})/")
SPECIAL_TOKENS = ("<|endoftext|>", "<|startoftranscript|>", "<|transcribe|>", "<|startofprev|>", "<|notimestamps|>")
MAX_DIFFERENT_TOKENS = 0.01  # share of the text tokens: conversions differ in a few


@dataclass(frozen=True, slots=True)
class Shape:
    """Dimensions of the model, read from its weights."""

    tokens: int
    layers: int  # of the decoder
    heads: int  # of a layer
    mels: int

    @property
    def is_multilingual(self) -> bool:
        return self.tokens >= MULTILINGUAL_TOKENS


def check_files(folder: Path) -> None:
    """Check that the files of the folder form one Whisper model; takes a tenth of a second.

    Raises:
        InvalidModelError: with the file, the problem and the fix.
    """
    try:
        shape = _shape(folder / "model.bin")
        vocabulary = _vocabulary(folder, shape)
        _check_config(folder / "config.json", shape, vocabulary)
        _check_tokenizer(folder / "tokenizer.json", vocabulary)
        _check_features(folder / "preprocessor_config.json", shape)
    except OSError as error:
        raise InvalidModelError(f"{error.filename or folder} cannot be read: {error.strerror or error}.") from error


def _shape(path: Path) -> Shape:
    _check_is_regular(path)
    header = read_header(path)
    if header.spec != SPEC:
        raise InvalidModelError(f"{path} contains a {header.spec[:40]!r}: it must be a {SPEC}, a Whisper model.")
    layers = {int(layer[1]) for name in header.variables if (layer := LAYER.match(name))}
    shape = Shape(
        tokens=_dimension(header, path, "decoder/embeddings/weight", 0),
        layers=len(layers),
        heads=_dimension(header, path, "decoder/num_heads", None),
        mels=_dimension(header, path, "encoder/conv1/weight", 1),
    )
    if layers != set(range(len(layers))) or not layers or shape.heads < 1:
        raise InvalidModelError(f"{path} lacks layers of the decoder.")
    for name, rows in (("decoder", CONTEXT_TOKENS), ("encoder", ENCODER_FRAMES)):
        if (found := _dimension(header, path, f"{name}/position_encodings/encodings", 0)) != rows:
            raise InvalidModelError(f"{path} has {found} positions in its {name}: a Whisper model has {rows}.")
    return shape


def _dimension(header: Header, path: Path, name: str, axis: int | None) -> int:
    """Return the size of the variable along the axis; without one, its value."""
    variable = header.variables.get(name)
    if variable is None or (axis is None) != (not variable.shape) or len(variable.shape) <= (axis or -1):
        raise InvalidModelError(f"{path} lacks the variable {name!r} of a Whisper model.")
    return variable.integer if axis is None else variable.shape[axis]


def _vocabulary(folder: Path, shape: Shape) -> Sequence[str]:
    """Return the tokens by their ids, from the file that CTranslate2 reads."""
    path = folder / "vocabulary.json"
    if path.exists():
        tokens = _json(path, MAX_VOCABULARY_BYTES)
    else:
        path = folder / "vocabulary.txt"
        tokens = _text(path, MAX_VOCABULARY_BYTES).removesuffix("\n").split("\n")
    if not isinstance(tokens, list) or not all(isinstance(token, str) for token in tokens):
        raise InvalidModelError(f"{path} must be a JSON list of tokens.")
    if len(tokens) != shape.tokens:
        raise InvalidModelError(
            f"{path} has {len(tokens)} tokens and model.bin {shape.tokens}: it is another model's vocabulary."
        )
    if missing := set(SPECIAL_TOKENS).difference(tokens):
        raise InvalidModelError(
            f"{path} lacks the tokens {', '.join(sorted(missing))}: it is not a vocabulary of a Whisper model."
        )
    return tokens


def _check_config(path: Path, shape: Shape, vocabulary: Sequence[str]) -> None:
    config = _object(path)
    heads = config.get("alignment_heads")
    if not isinstance(heads, list) or not heads or not all(_is_head(head, shape) for head in heads):
        raise InvalidModelError(
            f"{path}: alignment_heads must be pairs of a layer from 0 to {shape.layers - 1} and a head from 0 to "
            f"{shape.heads - 1}, as model.bin has them: is it another model's config.json?"
        )
    for name in ("suppress_ids", "suppress_ids_begin"):
        _tokens(path, config, name, vocabulary)
    languages = [token.removeprefix("<|").removesuffix("|>") for token in _tokens(path, config, "lang_ids", vocabulary)]
    if shape.is_multilingual and not (languages and all(map(is_language, languages)) and AUTO not in languages):
        raise InvalidModelError(f"{path}: lang_ids must be the ids of language tokens, such as that of <|en|>.")


def _tokens(path: Path, config: Mapping[str, object], name: str, vocabulary: Sequence[str]) -> Sequence[str]:
    """Return the tokens whose ids the setting of the configuration lists."""
    ids = config.get(name, [])
    if not isinstance(ids, list) or not all(_is_below(token, len(vocabulary)) for token in ids):
        raise InvalidModelError(f"{path}: {name} must be token ids from 0 to {len(vocabulary) - 1}, as model.bin has.")
    return [vocabulary[token] for token in ids]


def _is_head(pair: object, shape: Shape) -> bool:
    return (
        isinstance(pair, list)
        and len(pair) == 2
        and _is_below(pair[0], shape.layers)
        and _is_below(pair[1], shape.heads)
    )


def _is_below(value: object, end: int) -> bool:
    return type(value) is int and 0 <= value < end


def _check_tokenizer(path: Path, vocabulary: Sequence[str]) -> None:
    if not path.exists():
        raise InvalidModelError(f"{path} is missing: copy it from the model that this one was converted from.")
    ids = _token_ids(path)
    special = {token: vocabulary.index(token) for token in SPECIAL_TOKENS}
    if wrong := [token for token, index in special.items() if ids.get(token) != index]:
        raise InvalidModelError(
            f"{path} has other ids for {', '.join(wrong)} than the vocabulary: it is another model's."
        )
    text = vocabulary[: special["<|endoftext|>"]]
    different = sum(ids.get(token) != index for index, token in enumerate(text))
    if not all(0 <= index < len(vocabulary) for index in ids.values()) or different > MAX_DIFFERENT_TOKENS * len(text):
        raise InvalidModelError(f"{path} has other tokens than the vocabulary: it is another model's.")


def _token_ids(path: Path) -> Mapping[str, int]:
    """Return the ids of all tokens in the format of the library `tokenizers`."""
    tokenizer = _object(path, MAX_VOCABULARY_BYTES)
    model, added = tokenizer.get("model"), tokenizer.get("added_tokens")
    vocabulary = model.get("vocab") if isinstance(model, dict) else None
    if isinstance(vocabulary, dict) and isinstance(added, list) and all(isinstance(token, dict) for token in added):
        ids = {**vocabulary, **{str(token.get("content")): token.get("id") for token in added}}
        if ids and all(type(index) is int for index in ids.values()):
            return ids
    raise InvalidModelError(f"{path} must contain a tokenizer with model.vocab and added_tokens.")


def _check_features(path: Path, shape: Shape) -> None:
    config = _object(path) if path.exists() else {}
    for name, value in {**FEATURES, "feature_size": shape.mels}.items():
        found = config.get(name, DEFAULT_FEATURE_SIZE if name == "feature_size" else value)
        if type(found) is not int or found != value:
            raise InvalidModelError(f"{path}: {name} must be {value} for this model.bin.")


def _object(path: Path, max_bytes: int = MAX_CONFIG_BYTES) -> Mapping[str, object]:
    parsed = _json(path, max_bytes)
    if not isinstance(parsed, dict):
        raise InvalidModelError(f"{path} must be a JSON object.")
    return parsed


def _json(path: Path, max_bytes: int) -> object:
    try:
        return json.loads(_text(path, max_bytes))
    except (
        ValueError,
        RecursionError,
    ) as error:  # the message must not contain the file's content, which can be secret
        raise InvalidModelError(f"{path} is not valid JSON.") from error


def _text(path: Path, max_bytes: int) -> str:
    _check_is_regular(path)
    with path.open("rb") as file:
        content = file.read(max_bytes + 1)
    if len(content) > max_bytes:
        raise InvalidModelError(f"{path} is larger than {max_bytes} bytes.")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InvalidModelError(f"{path} must be text in UTF-8.") from error


def _check_is_regular(path: Path) -> None:
    """Raise InvalidModelError unless it is a regular file: reading a FIFO could block."""
    if not stat.S_ISREG(path.stat().st_mode):
        raise InvalidModelError(f"{path} must be a file.")
