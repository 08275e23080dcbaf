"""Finds the format of a Riva stream and passes on its samples. Pure.

Riva's clients declare an encoding and a rate, or neither and send a file from its first byte. A stream therefore begins
undecided, until its bytes show whether it starts with the header of a container; samples follow. A WAV header is
removed, and so is what follows the samples of a WAV file. The result is the same for chunks of any size.
"""

from __future__ import annotations

from dataclasses import dataclass

from stt.riva.v1 import riva_pb2 as riva

from stt_service.audio.pcm import RIFF_BYTES, SAMPLE_RATE_HZ, AudioFormat, Encoding, is_wav
from stt_service.audio.wav_header import read_wav_header, starts_wav
from stt_service.errors import InvalidRequestError

TELEPHONE_HZ = 8_000  # of G.711, if the client declares no rate
ENCODINGS = {
    riva.ENCODING_PCM_S16LE: Encoding.PCM_S16LE,
    riva.ENCODING_MULAW: Encoding.MULAW,
    riva.ENCODING_ALAW: Encoding.ALAW,
}
RECORDINGS_ONLY = {riva.ENCODING_FLAC: "FLAC", riva.ENCODING_OGG_OPUS: "OGGOPUS"}
ENCODING_NAMES = "LINEAR_PCM, MULAW, ALAW, FLAC or OGGOPUS"
CONTAINERS = {b"fLaC": "FLAC", b"OggS": "OGGOPUS"}  # by their first bytes
_NO_STREAM = (
    "Invalid encoding {}: a stream must be LINEAR_PCM, MULAW, ALAW or a WAV file; "
    "send the whole file to Recognize, which decodes it."
)


@dataclass(frozen=True, slots=True)
class DeclaredAudio:
    """What the options of a call declare about its audio.

    Attributes:
        certain: The format, if it is known before the audio.
        headerless: The format of audio that does not begin with a known header; None: such audio is rejected.
    """

    certain: AudioFormat | None
    headerless: AudioFormat | None


def declared_audio(options: riva.Options) -> DeclaredAudio:
    """Return what the options declare.

    Raises:
        InvalidRequestError: the encoding is unknown, or the rate or the number of channels is out of range.
    """
    encoding, rate_hz, channels = options.encoding, options.sample_rate_hz, options.channels or 1
    if encoding not in riva.Encoding.values():
        raise InvalidRequestError(f"Invalid encoding={encoding}: must be {ENCODING_NAMES}.")
    if encoding in RECORDINGS_ONLY or (encoding == riva.ENCODING_UNSPECIFIED and not rate_hz):
        return DeclaredAudio(None, None)
    samples = ENCODINGS.get(encoding, Encoding.PCM_S16LE)
    default_hz = SAMPLE_RATE_HZ if samples is Encoding.PCM_S16LE else TELEPHONE_HZ
    headerless = AudioFormat(samples, rate_hz or default_hz, channels)
    is_certain = encoding in ENCODINGS and (rate_hz or samples is not Encoding.PCM_S16LE)
    return DeclaredAudio(headerless if is_certain else None, headerless)


def is_recording(options: riva.Options, audio: bytes) -> bool:
    """Return whether the audio of a recording is a file, and not headerless samples.

    Raises:
        InvalidRequestError: the options are invalid.
    """
    declared = declared_audio(options)
    return declared.headerless is None or is_wav(audio) or (declared.certain is None and audio[:4] in CONTAINERS)


class StreamAudio:
    """The audio of one stream: bytes in, samples out.

    Raises:
        InvalidRequestError: the encoding cannot be streamed.
    """

    def __init__(self, options: riva.Options) -> None:
        if options.encoding in RECORDINGS_ONLY:
            raise InvalidRequestError(_NO_STREAM.format(RECORDINGS_ONLY[options.encoding]))
        self._declared = declared_audio(options)
        self.format = self._declared.certain  # None: undecided
        self._start: bytes | None = b""  # the first bytes, as long as they may belong to a header
        self._left_bytes: int | None = None  # of the samples of a WAV file; None: no limit

    def push(self, data: bytes) -> bytes:
        """Return the samples of the next bytes; none while the start is undecided.

        Raises:
            InvalidRequestError: the audio is in a container that cannot be streamed, or its format is unknown.
        """
        if self._start is None:
            return self._limited(data)
        self._start += data
        if len(self._start) < RIFF_BYTES and _may_be_container(self._start):
            return b""
        return self._samples_of_start(self._start)

    def finish(self) -> bytes:
        """Return the samples of a stream that ended undecided.

        Raises:
            InvalidRequestError: the stream ended inside a header, or its format is unknown.
        """
        start = self._start
        if not start:
            self.format = self.format or self._declared.headerless or AudioFormat()
            return b""
        if is_wav(start):
            raise InvalidRequestError(f"The WAV file is truncated: its {len(start)} bytes end inside the header.")
        return self._headerless(start)

    def _samples_of_start(self, start: bytes) -> bytes:
        if not is_wav(start):
            return self._headerless(start)
        if (header := read_wav_header(start)) is None:
            return b""
        if self.format not in (None, header.audio_format):
            raise InvalidRequestError(
                f"The WAV header has {_description(header.audio_format)}, but the config has "
                f"{_description(self.format)}: declare the format of the file, or no encoding and no rate."
            )
        self.format, self._left_bytes, self._start = header.audio_format, header.sample_bytes, None
        return self._limited(start[header.header_bytes :])

    def _headerless(self, start: bytes) -> bytes:
        if self.format is None:
            if (name := CONTAINERS.get(start[:4])) is not None:
                raise InvalidRequestError(_NO_STREAM.format(name))
            if self._declared.headerless is None:
                raise InvalidRequestError(
                    "The encoding is unknown: the config has no sample_rate_hertz and the audio no WAV header; "
                    "send encoding and sample_rate_hertz, or a WAV file."
                )
            self.format = self._declared.headerless
        self._start = None
        return start

    def _limited(self, data: bytes) -> bytes:
        """Return the bytes that are samples: other chunks of a WAV file may follow."""
        if self._left_bytes is None:
            return data
        samples = data[: self._left_bytes]
        self._left_bytes -= len(samples)
        return samples


def _may_be_container(start: bytes) -> bool:
    return starts_wav(start) or any(magic.startswith(start) for magic in CONTAINERS)


def _description(audio_format: AudioFormat | None) -> str:
    assert audio_format is not None
    return f"{audio_format.encoding.name}, {audio_format.sample_rate_hz} Hz, channels={audio_format.channels}"
