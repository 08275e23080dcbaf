"""Synthetic models of any of Whisper's shapes that recite a text for any audio.

Their weights are random, and so small that each position of the decoder determines the next token: they take the time
and the memory of real models, write the given text with confidence, and end there. Nothing is downloaded; tokenizer and
vocabulary are copied from an existing model.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from shutil import copy
from types import MappingProxyType

import numpy as np
from ctranslate2.specs import WhisperSpec
from ctranslate2.specs.attention_spec import MultiHeadAttentionSpec
from ctranslate2.specs.common_spec import Conv1DSpec, LayerNormSpec, LinearSpec
from ctranslate2.specs.transformer_spec import FeedForwardSpec
from faster_whisper.tokenizer import Tokenizer
from numpy.typing import NDArray
from tokenizers import Tokenizer as Words

WEIGHT = 1e-3  # at most; float16 still has a thousand steps below it
HEARD_ROWS, TEXT_ROWS = 1500, 448  # capacity of encoder and decoder
KERNEL = 3  # of the encoder's convolutions
TOKEN_LOGIT = 10.0  # weight with which a position selects its token; tokens select themselves with 1
ALIGNMENT_HEADS = 6  # as of large-v3-turbo and medium
LANGUAGE = "en"

Weights = NDArray[np.float16]


@dataclass(frozen=True, slots=True)
class Shape:
    """The size of a model. Source: openai/whisper, the `dims` of each checkpoint."""

    width: int
    heads: int
    encoder_layers: int
    decoder_layers: int
    mels: int = 80


SHAPES: Mapping[str, Shape] = MappingProxyType(
    {
        "tiny": Shape(384, 6, 4, 4),
        "base": Shape(512, 8, 6, 6),
        "small": Shape(768, 12, 12, 12),
        "medium": Shape(1024, 16, 24, 24),
        "large-v3-turbo": Shape(1280, 20, 32, 4, mels=128),
        "large-v3": Shape(1280, 20, 32, 32, mels=128),
    }
)


class _Maker:
    """Fills a model's parts with weights."""

    def __init__(self, width: int) -> None:
        self._width = width
        self._random = np.random.default_rng(1)

    def weights(self, *shape: int) -> Weights:
        drawn = self._random.random(shape, np.float32)
        return ((drawn - np.float32(0.5)) * np.float32(2 * WEIGHT)).astype(np.float16)

    def norm(self, spec: LayerNormSpec) -> None:
        spec.gamma = np.ones(self._width, np.float16)
        spec.beta = np.zeros(self._width, np.float16)

    def linear(self, spec: LinearSpec, outputs: int, inputs: int) -> None:
        spec.weight, spec.bias = self.weights(outputs, inputs), self.weights(outputs)

    def convolution(self, spec: Conv1DSpec, inputs: int) -> None:
        spec.weight, spec.bias = self.weights(self._width, inputs, KERNEL), self.weights(self._width)

    def attention(self, spec: MultiHeadAttentionSpec) -> None:
        """Fill queries, keys, values and output: of self-attention three in one, else keys and values in one."""
        self.norm(spec.layer_norm)
        sizes = [3, 1] if len(spec.linear) == 2 else [1, 2, 1]
        for linear, times in zip(spec.linear, sizes, strict=True):
            self.linear(linear, times * self._width, self._width)

    def feed_forward(self, spec: FeedForwardSpec) -> None:
        self.norm(spec.layer_norm)
        self.linear(spec.linear_0, 4 * self._width, self._width)
        self.linear(spec.linear_1, self._width, 4 * self._width)


def make(shape: Shape, text: str, source: Path, folder: Path) -> None:
    """Write a model that recites the text into the folder; `source` is the folder of a multilingual model.

    Takes memory of about three times its size: large-v3 has 3 GB.
    """
    maker = _Maker(shape.width)
    vocabulary = json.loads((source / "vocabulary.json").read_text(encoding="utf-8"))
    words = Words.from_file(str(source / "tokenizer.json"))
    spec = WhisperSpec(shape.encoder_layers, shape.heads, shape.decoder_layers, shape.heads)
    _fill_encoder(spec, shape, maker)
    _fill_decoder(spec, maker)
    prompt, tokens = _tokens(words, text)
    embeddings, positions = maker.weights(len(vocabulary), shape.width), maker.weights(TEXT_ROWS, shape.width)
    for index, token in enumerate(tokens):
        embeddings[token, index] = 1.0
        positions[prompt - 1 + index, index] = TOKEN_LOGIT
    end = len(tokens) - 1
    positions[prompt - 1 + end :, end] = TOKEN_LOGIT  # beams that have strayed end too, or the search never ends
    spec.decoder.embeddings.weight, spec.decoder.position_encodings.encodings = embeddings, positions
    spec.decoder.projection.weight = embeddings
    spec.register_vocabulary(vocabulary)
    spec.validate()
    spec.decoder.projection.weight = "decoder/embeddings/weight"  # shared, as in every Whisper
    folder.mkdir(parents=True)
    spec.save(str(folder))
    _write_other_files(shape, source, folder)


def _fill_encoder(spec: WhisperSpec, shape: Shape, maker: _Maker) -> None:
    maker.convolution(spec.encoder.conv1, shape.mels)
    maker.convolution(spec.encoder.conv2, shape.width)
    spec.encoder.position_encodings.encodings = maker.weights(HEARD_ROWS, shape.width)
    maker.norm(spec.encoder.layer_norm)
    for layer in spec.encoder.layer:
        maker.attention(layer.self_attention)
        maker.feed_forward(layer.ffn)


def _fill_decoder(spec: WhisperSpec, maker: _Maker) -> None:
    maker.norm(spec.decoder.layer_norm)
    for layer in spec.decoder.layer:
        maker.attention(layer.self_attention)
        maker.attention(layer.attention)
        maker.feed_forward(layer.ffn)


def _tokens(words: Words, text: str) -> tuple[int, Sequence[int]]:
    """Return the number of tokens of the service's prompt, and the tokens of the text with the end."""
    tokenizer = Tokenizer(words, multilingual=True, task="transcribe", language=LANGUAGE)
    prompt = [*tokenizer.sot_sequence, tokenizer.no_timestamps]
    return len(prompt), [*tokenizer.encode(" " + text), tokenizer.eot]


def _write_other_files(shape: Shape, source: Path, folder: Path) -> None:
    """Write the files of a model's folder other than weights and vocabulary."""
    last = range(shape.decoder_layers * shape.heads)[-ALIGNMENT_HEADS:]
    config = json.loads((source / "config.json").read_text(encoding="utf-8"))
    config["alignment_heads"] = [divmod(head, shape.heads) for head in last]
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    (folder / "preprocessor_config.json").write_text(json.dumps({"feature_size": shape.mels}), encoding="utf-8")
    copy(source / "tokenizer.json", folder)
