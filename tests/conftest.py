"""What tests share: the recordings, and where the weights lie."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from benchmarks.recorded import RECORDINGS, Recording
from stt_service.weights import models_folder


@pytest.fixture(scope="session")
def recordings() -> Mapping[str, Recording]:
    """Return the recordings by name: `recordings["en/jfk"].samples()`."""
    return {recording.name: recording for recording in RECORDINGS}


@pytest.fixture(scope="session")
def models_dir() -> Path:
    """Return the folder of the weights that `make setup` fetched: base and tiny.en."""
    return models_folder(os.environ.get("MODELS_DIR", ""))
