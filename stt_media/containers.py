"""Opens a recording. FFmpeg receives only bytes: no file names, no protocols, no playlists.

FFmpeg guesses the container from the content, so without whitelists an upload may be a playlist that refers to files of
this machine (ffconcat, HLS, DASH), a session description that opens ports (SDP), or one of some 350 other formats.
The codec whitelist also keeps picture decoders closed while FFmpeg probes the streams.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import av

from stt_media.errors import UnreadableError

if TYPE_CHECKING:
    from av.container import InputContainer

# Names of demuxers. None of them opens files or addresses from inside a recording.
FORMATS = (
    "aac", "ac3", "aiff", "amr", "ape", "asf", "au", "avi", "caf", "eac3", "flac", "flv", "loas", "matroska", "mov",
    "mp3", "mpc", "mpc8", "mpeg", "mpegts", "ogg", "tta", "voc", "w64", "wav", "webm", "wv",
)  # fmt: skip
# Names of decoders.
CODECS = (
    "aac", "aac_latm", "ac3", "adpcm_ima_qt", "adpcm_ima_wav", "adpcm_ms", "adpcm_swf", "adpcm_yamaha", "alac",
    "amrnb", "amrwb", "ape", "dca", "eac3", "flac", "g722", "g726", "g726le", "gsm", "gsm_ms", "ilbc",
    "libopencore_amrnb", "libopencore_amrwb", "libopus", "libspeex", "libvorbis", "mp1", "mp1float", "mp2", "mp2float",
    "mp3", "mp3float", "mpc7", "mpc8", "nellymoser", "opus", "pcm_alaw", "pcm_bluray", "pcm_dvd", "pcm_f32be",
    "pcm_f32le", "pcm_f64be", "pcm_f64le", "pcm_mulaw", "pcm_s16be", "pcm_s16le", "pcm_s24be", "pcm_s24le",
    "pcm_s32be", "pcm_s32le", "pcm_s8", "pcm_u8", "speex", "tta", "vorbis", "wavpack", "wmalossless", "wmapro", "wmav1",
    "wmav2", "wmavoice",
)  # fmt: skip
_OPTIONS = {
    "format_whitelist": ",".join(FORMATS),
    "codec_whitelist": ",".join(CODECS),
    "protocol_whitelist": "none",  # no protocol has this name
    "max_streams": "128",  # PyAV cannot hold streams that appear during decoding
}


class Readable(Protocol):
    def read(self, size: int, /) -> bytes | None: ...


def open_container(file: Readable) -> InputContainer:
    """Open a recording, which may be a pipe.

    Raises:
        UnreadableError: The format is not supported, or the beginning of the recording is damaged.
        OSError: The file cannot be read.
    """
    try:
        return av.open(file, mode="r", options=_OPTIONS, metadata_errors="ignore")
    except (av.FFmpegError, ValueError, OverflowError, MemoryError) as error:
        raise UnreadableError(reason(error)) from error


def reason(error: Exception) -> str:
    """Return why a recording cannot be opened."""
    if isinstance(error, av.error.ArgumentError):  # FFmpeg's error for formats outside a whitelist
        return "its format is not supported"
    return getattr(error, "strerror", None) or type(error).__name__
