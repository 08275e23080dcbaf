"""Facts about the repository itself: stubs, packaging, Makefile, README, recordings."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import wave
from collections.abc import Iterable, Iterator
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from benchmarks.recordings import FOLDER, RECORDINGS, Recording
from tests.support.environment.package_metadata import option_lines, requirements

ROOT = Path(__file__).parents[2]
LICENSES = {
    "public domain",
    "CC0-1.0",
    "CC-BY-3.0",
    "CC-BY-4.0",
    "MIT",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "Apache-2.0",
}
OURS = {"stt", "stt_cli", "stt_client", "stt_media", "stt_service", "stt_tui"}
# Folders that exist on one machine only. Tests may use invented home folders.
MACHINE_PATH = re.compile(r"(?<![\w.~/-])/(?:farm|mnt|root|Users|work)/\w")


def installed_with(names: Iterable[str]) -> set[str]:
    """Return the distributions and their installed dependencies, for any platform."""
    found: set[str] = set()
    waiting = set(names)
    while waiting:
        name = waiting.pop()
        found.add(name)
        try:
            lines = metadata.requires(name) or []
        except metadata.PackageNotFoundError:
            continue
        needed = (Requirement(line) for line in lines)
        waiting |= {canonicalize_name(each.name) for each in needed if "extra" not in str(each.marker)} - found
    return found


def imported(package: str) -> set[str]:
    """Return the top-level modules that the files of the package import."""
    modules: set[str] = set()
    for path in (ROOT / package).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                modules |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                modules.add((node.module or "").partition(".")[0])
    return modules - set(sys.stdlib_module_names) - OURS


def our_texts() -> Iterator[Path]:
    """Yield the text files of the checkout, hidden ones included."""
    for folder, folders, names in os.walk(ROOT):
        here = Path(folder)
        folders[:] = [name for name in folders if not _built(name)]
        for name in names:
            path = here / name
            if path.suffix not in {".flac", ".wav", ".png", ".pyc"} and name not in {".env", ".git"}:
                yield path


def _built(folder: str) -> bool:
    return (
        folder in {".git", "build", "dist", "results", "__pycache__"}
        or folder.startswith(".venv")
        or folder.endswith((".egg-info", "_cache"))
        or folder == ".hypothesis"
    )


def make(*arguments: str) -> str:
    """Return the output of make, independent of a make process that runs the tests."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    environment["LC_ALL"] = "C"
    done = subprocess.run(["make", *arguments], cwd=ROOT, check=True, capture_output=True, text=True, env=environment)
    return done.stdout


def test_committed_stubs_match_the_protos(tmp_path: Path) -> None:
    outputs = [f"--{kind}_out={tmp_path}" for kind in ("python", "pyi", "grpc_python")]
    protos = [str(path) for path in (ROOT / "protos" / "stt" / "v1").glob("*.proto")]
    subprocess.run([sys.executable, "-m", "grpc_tools.protoc", f"-I{ROOT / 'protos'}", *outputs, *protos], check=True)
    for made in (tmp_path / "stt" / "v1").iterdir():
        committed = ROOT / "protos" / "stt" / "v1" / made.name
        assert made.read_text() == committed.read_text(), f"{made.name} is stale: run `make protos`"


# Imported only where the extra `gpu` has installed it.
OPTIONAL = {"pynvml"}


@pytest.mark.parametrize(
    ("package", "extra"),
    [
        ("stt_service", "server"),
        ("stt_client", "client"),
        ("stt_cli", "client"),
        ("stt_tui", "tui"),
        ("stt_media", "server"),
        ("stt_media", "client"),
    ],
    ids=["server", "library", "client", "editor", "media of the server", "media of the client"],
)
def test_imports_of_a_package_are_in_its_extra(package: str, extra: str) -> None:
    owners = metadata.packages_distributions()
    missing = {
        module: owners.get(module)
        for module in imported(package) - OPTIONAL
        if requirements(extra).isdisjoint(canonicalize_name(owner) for owner in owners.get(module, []))
    }
    assert not missing


@pytest.mark.parametrize(
    ("extra", "unwanted"),
    [
        ("server", {"torch"}),
        ("client", {"torch", "ctranslate2", "faster-whisper", "onnxruntime"}),
        ("tui", {"torch", "ctranslate2", "faster-whisper", "onnxruntime"}),
    ],
    ids=["server", "client", "editor"],
)
def test_install_contains_no_heavy_package(extra: str, unwanted: set[str]) -> None:
    assert installed_with(requirements(extra)).isdisjoint(unwanted)


def test_setup_cfg_lists_every_package() -> None:
    roots = [(ROOT / "protos" if name == "stt" else ROOT, name) for name in OURS]
    packages = {
        ".".join(init.parent.relative_to(base).parts)
        for base, name in roots
        for init in (base / name).rglob("__init__.py")
    }
    assert packages == set(option_lines("options", "packages"))


def test_console_scripts_are_importable() -> None:
    for script in option_lines("options.entry_points", "console_scripts"):
        name, value = re.split(r"\s*=\s*", script)
        assert callable(metadata.EntryPoint(name, value, "console_scripts").load())


def test_all_dependencies_are_pinned() -> None:
    text = (ROOT / "constraints.txt").read_text()
    pins = [Requirement(line) for line in text.splitlines() if line and not line.startswith("#")]
    assert all(str(pin.specifier).startswith("==") for pin in pins)
    names = {canonicalize_name(pin.name) for pin in pins}
    assert requirements("dev", "server", "client") | {"pip", "setuptools"} <= names
    assert "torch" not in names


def test_make_help_lists_every_target() -> None:
    text = (ROOT / "Makefile").read_text()
    phony = " ".join(re.findall(r"^\.PHONY: (.*)$", text, re.MULTILINE)).split()
    listed_targets = set(re.findall(r"^make (\S+)", make("help"), re.MULTILINE))
    assert listed_targets == set(phony) - {"weights"}  # a part of setup


def test_make_installs_nothing_twice(tmp_path: Path) -> None:
    markers = {name: tmp_path / name.lower() for name in ("READY", "READY_TEST", "READY_DEV")}
    for marker in markers.values():
        marker.touch()
    last = markers["READY_DEV"]
    output = make("--dry-run", *(f"{name}={marker}" for name, marker in markers.items()), str(last))
    assert output.strip() == f"make: '{last}' is up to date."


@pytest.mark.parametrize("target", ["demo", "serve", "run-client", "test-fast"])
def test_make_installs_only_what_the_target_needs(target: str, tmp_path: Path) -> None:
    missing = [f"{name}={tmp_path / name}" for name in ("READY", "READY_TEST", "READY_DEV")]
    assert "[dev]" not in make("--dry-run", *missing, target)


def test_readme_names_make_demo_and_make_test() -> None:
    lines = [line.split("#")[0].strip() for line in (ROOT / "README.md").read_text().splitlines()]
    assert {"make demo", "make test"} <= set(lines)


def test_no_file_contains_a_path_of_one_machine() -> None:
    found = [
        f"{path.relative_to(ROOT)}: {line.strip()}"
        for path in our_texts()
        for line in path.read_text(encoding="utf-8").splitlines()
        if MACHINE_PATH.search(line)
    ]
    assert not found


@pytest.mark.parametrize("recording", RECORDINGS, ids=lambda recording: recording.name)
def test_recording_has_text_length_and_a_free_license(recording: Recording) -> None:
    assert recording.license in LICENSES
    assert recording.source
    assert recording.speaker
    assert recording.text
    assert recording.language in {"en", "ru"}
    assert len(recording.samples()) / 16_000 == pytest.approx(recording.duration_s, abs=0.001)


def test_every_recording_is_in_the_manifest_and_in_the_attribution() -> None:
    attribution = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert {recording.path for recording in RECORDINGS} == set(FOLDER.glob("*/*.*"))
    assert all(recording.name in attribution for recording in RECORDINGS)


def test_recordings_stay_below_15_mb() -> None:
    assert sum(recording.path.stat().st_size for recording in RECORDINGS) < 15e6


def test_reference_speech_is_two_seconds_of_16_khz_mono_pcm() -> None:
    with wave.open(str(ROOT / "stt_service" / "data" / "seed.wav")) as seed:
        assert (seed.getframerate(), seed.getnchannels(), seed.getsampwidth()) == (16_000, 1, 2)
        assert len(seed.readframes(seed.getnframes() + 1)) == 2 * 2 * 16_000
