"""Which model decodes what of a stream: the choice is made when it opens, and stays until it ends."""

from __future__ import annotations

from dataclasses import dataclass

from stt_service.errors import InvalidRequestError
from stt_service.scheduling.executor import BatchExecutor, ExecutorModel
from stt_service.whisper.types import Kind


@dataclass(frozen=True, slots=True)
class ModelPair:
    """The lane, and which model is for what."""

    lane: BatchExecutor
    finals: ExecutorModel
    partials: ExecutorModel

    def model(self, kind: Kind, language: str) -> ExecutorModel:
        """Return the model of the decode: partials that their model cannot read go to the finals'."""
        knows = self.partials.multilingual or language == "en"
        return self.partials if kind is Kind.PARTIAL and knows else self.finals

    def check(self, language: str) -> None:
        """Refuse a language that the model of finals does not know.

        Raises:
            InvalidRequest: naming it.
        """
        if not self.finals.multilingual and language not in ("en", "auto"):
            raise InvalidRequestError(
                f"Invalid language={language!r}: the model of this server knows English only, "
                "ask for en or another server."
            )
