"""Resolution of input arguments (files, folders, globs, devices, URLs) to sources to decode."""

from __future__ import annotations

import glob
import os
import re
import stat
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePath
from urllib.parse import unquote, urlsplit

from unveil import remote
from unveil.errors import MissingInput
from unveil.redaction import address_host, address_name, described, file_name, printable
from unveil.video.sequence import NUMBER, PictureSequence, find_sequence, is_pattern, pattern_url

STDIN = "-"

# fmt: off
VIDEO_EXTENSIONS = frozenset({
    ".3g2", ".3gp", ".264", ".265", ".asf", ".avi", ".flv", ".gif", ".h264", ".h265", ".hevc",
    ".ivf", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts", ".mxf", ".nut",
    ".ogv", ".ts", ".vob", ".webm", ".wmv", ".y4m",
})
"""Extensions of videos in folders and globs; a file given by its name may have any."""

DEVICE_FORMATS = frozenset({
    "android_camera", "avfoundation", "bktr", "decklink", "dshow", "fbdev", "gdigrab", "iec61883",
    "kmsgrab", "lavfi", "libdc1394", "v4l2", "vfwcap", "video4linux2", "x11grab", "xcbgrab",
})
# fmt: on
"""FFmpeg's input devices for video, as written before the colon."""

FINITE_SCHEMES = frozenset({"data", "ftp", "ftps", "http", "https", "s3", "scp", "sftp", "smb"})
"""URL schemes of files; any other scheme is a stream without a known end."""

# Two letters or more: a drive letter of Windows ("C:") is no scheme.
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
_CHAIN = re.compile(r"::(?=[A-Za-z][A-Za-z0-9+.-]+://)")
_DEVICE = re.compile(r"([a-z0-9_]+):(.+)", re.DOTALL)
_LINUX_CAMERA = re.compile(r"/dev/video\d+")
# On Windows these names are devices, whatever their extension.
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)
_MAX_STEM_BYTES = 120


@dataclass(frozen=True, slots=True)
class Source:
    """An input to decode.

    `url` is what FFmpeg opens: "-" is standard input; a local file begins with "file:", so that
    its name is not parsed as a protocol. `format` is FFmpeg's demuxer if the data do not determine
    it (devices and pictures). `name` is shown to users and in reports: a file's name without its
    folder, a URL as `unveil.redaction` describes it. `stem` is the name of the output folder.
    `live` sources have no known end and cannot be rewound. `sequence` is set for numbered
    pictures.
    """

    url: str
    format: str | None = None
    name: str = ""
    stem: str = ""
    live: bool = False
    sequence: PictureSequence | None = None

    @property
    def path(self) -> Path | None:
        """Path of a local file, else None."""
        if self.format is None and self.url.startswith("file:"):
            return Path(self.url.removeprefix("file:"))
        return None

    @property
    def through_fsspec(self) -> bool:
        """Whether fsspec opens its address, not FFmpeg."""
        return remote.goes_through_fsspec(self.url)

    @property
    def can_rewind(self) -> bool:
        """Whether it can be read again from any place: files, but no pipe and no stream.

        An address is read by FFmpeg once; a file that fsspec opens can be read again.
        """
        return self.sequence is not None or self._is_regular_file or self.through_fsspec

    def pictures(self) -> list[Path]:
        """Return the paths of numbered pictures, none for another input."""
        if self.sequence is None:
            return []
        first, pattern = self.sequence.first, self.url.removeprefix("file:")
        return [Path(pattern % (first + n)) for n in range(self.sequence.n_pictures)]

    @property
    def _is_regular_file(self) -> bool:
        return self.path is not None and self.path.is_file()

    @property
    def is_pipe(self) -> bool:
        """Whether it is standard input or a named pipe."""
        return self.url == STDIN or (self.path is not None and self.path.is_fifo())

    @property
    def may_be_endless(self) -> bool:
        """Whether nothing says that it ends: it is live, or a pipe.

        Standard input may be either a pipe or a file.
        """
        if self.live:
            return True
        if self.url == STDIN:
            try:
                return not stat.S_ISREG(os.fstat(sys.stdin.fileno()).st_mode)
            except (AttributeError, OSError, ValueError):  # closed, or replaced by the program
                return True
        return self.path is not None and self.path.exists() and not self.can_rewind


def resolve_inputs(arguments: Sequence[str | os.PathLike[str] | Source]) -> list[Source]:
    """Return the sources that `arguments` name, in their order, without duplicates.

    No two sources have the same stem.

    Parameters
    ----------
    arguments
        Files, folders (the videos directly inside, sorted), globs that the shell did not expand
        (`*`, `?`, `[...]`, `**`; only files with a video's extension unless the pattern has an
        extension), numbered pictures (`frame-%05d.png`), devices (`/dev/video0`,
        `v4l2:/dev/video0`, `avfoundation:0`, `dshow:video=Name`), URLs (those that fsspec opens
        may be globs, too), `-`; also sources.

    Raises
    ------
    MissingInput
        Nothing of this name exists, or a folder or glob has no video.
    """
    found: dict[tuple[str, str | None], Source] = {}
    for argument in arguments:
        sources = [argument] if isinstance(argument, Source) else _expand(os.fspath(argument))
        for source in sources:
            found.setdefault((source.url, source.format), source)
    return _with_unique_stems(found.values())


def source_of(argument: str | os.PathLike[str]) -> Source:
    """Return the source of a single input; globs and folders are not expanded.

    Raises
    ------
    MissingInput
        Nothing of this name exists.
    """
    text = os.fspath(argument)
    if isinstance(argument, str):
        other = _stdin_device_or_url(text)
        if other is not None:
            return other
    if _LINUX_CAMERA.fullmatch(text):
        return _device("v4l2", text, text)
    path = Path(text)
    if text and not _exists(path) and is_pattern(path):
        return _pictures(path)
    if not text or not _exists(path):
        raise MissingInput(f"{described(text) or repr(text)}: no such file; check its name")
    return _file(path)


def is_address(argument: str) -> bool:
    """Whether an argument is a URL; file: names a path."""
    is_url = remote.goes_through_fsspec(argument) or _URL.match(argument) is not None
    return is_url and not argument.lower().startswith("file://")


def is_path(argument: str) -> bool:
    """Whether an argument is a path, not standard input, a device or a URL."""
    return bool(argument) and not (
        argument == STDIN
        or remote.goes_through_fsspec(argument)
        or _URL.match(argument)
        or ((device := _DEVICE.fullmatch(argument)) and device[1] in DEVICE_FORMATS)
    )


def _expand(argument: str) -> Iterator[Source]:
    if remote.goes_through_fsspec(argument):
        yield from map(source_of, remote.expanded(argument))
        return
    if _stdin_device_or_url(argument) is None and not _exists(Path(argument)):
        if glob.has_magic(argument):
            yield from _glob(argument)
            return
    elif argument and Path(argument).is_dir():
        yield from _folder(Path(argument))
        return
    yield source_of(argument)


def _stdin_device_or_url(text: str) -> Source | None:
    """Recognise standard input, a device or a URL by its spelling; None if it must be a path."""
    if text == STDIN:
        return Source(STDIN, name="standard input", stem="stdin")
    if remote.goes_through_fsspec(text):
        return _stream(text, live=False)
    if _URL.match(text):
        if text.lower().startswith("file://"):
            return source_of(Path(unquote(urlsplit(text).path)))
        return _stream(text)
    device = _DEVICE.fullmatch(text)
    if device and device[1] in DEVICE_FORMATS and not _exists(Path(text)):
        return _device(device[1], device[2], text)
    return None


def _file(path: Path) -> Source:
    url = f"file:{path.absolute()}"
    name = file_name(path.name or path.absolute().name or path)
    return Source(url, name=name, stem=_safe_stem(path.stem))


def _pictures(pattern: Path) -> Source:
    name = file_name(pattern.name)
    sequence = find_sequence(pattern)
    if sequence is None:
        raise MissingInput(
            f"{name}: no file has a name of this pattern; check the folder and the digits"
        )
    stem = NUMBER.sub("", pattern.stem).strip("-_. ") or "frames"
    return Source(pattern_url(pattern), "image2", name, _safe_stem(stem), sequence=sequence)


def _device(format_name: str, address: str, argument: str) -> Source:
    if address.startswith("/dev/") and not _exists(Path(address)):
        raise MissingInput(
            f"{printable(address)}: no such device; is the camera connected and switched on?"
        )
    shown = described(argument)
    last = shown.partition(":")[2].rsplit("/", 1)[-1] if "://" in address else address
    stem = _safe_stem(last.rsplit("/", 1)[-1])
    return Source(address, format_name, shown, stem, live=True)


def _stream(url: str, *, live: bool | None = None) -> Source:
    # In a chain of fsspec ("simplecache::s3://..."), the first address is the file's. An IPv6
    # address may have the same signs.
    before, _, after = url.partition("://")
    address = f"{before.rpartition('::')[2]}://{_CHAIN.split(after, maxsplit=1)[0]}"
    try:
        parts = urlsplit(address)
    except ValueError as error:  # such as an IPv6 address without its bracket
        raise MissingInput(f"{described(url)}: not a valid address; check its spelling") from error
    last = PurePath(address_name(address)).stem or address_host(address)
    if live is None:
        live = parts.scheme.lower() not in FINITE_SCHEMES
    return Source(url, name=described(url), stem=_safe_stem(last), live=live)


def _folder(folder: Path) -> Iterator[Source]:
    try:
        videos = sorted(path for path in folder.iterdir() if _is_video(path))
    except PermissionError as error:
        raise MissingInput(
            f"{described(folder)}: no permission to look into this folder"
        ) from error
    if not videos:
        raise MissingInput(
            f"{described(folder)}: no video in this folder; name the files outright if they "
            "bear another extension than .mp4, .mkv, .webm and the like"
        )
    yield from map(_file, videos)


def _glob(pattern: str) -> Iterator[Source]:
    # Path.glob, which PTH207 suggests, accepts no absolute pattern.
    paths = [Path(match) for match in sorted(glob.glob(pattern, recursive=True))]  # noqa: PTH207
    if not Path(pattern).suffix:
        paths = [path for path in paths if _is_video(path)]
    files = [path for path in paths if not path.is_dir()]
    if not files:
        raise MissingInput(
            f"{described(pattern)}: no video matches; check the folder and the pattern"
        )
    for path in files:
        yield source_of(path)


def _is_video(path: Path) -> bool:
    # Skip hidden files: macOS writes "._name.mp4" beside every copy.
    is_video = path.suffix.lower() in VIDEO_EXTENSIONS and not path.name.startswith(".")
    return is_video and path.is_file()


def _exists(path: Path) -> bool:
    """Whether a path exists, readable or not; opening it reports why it is unreadable."""
    try:
        path.lstat()
    except PermissionError:
        return True
    except (OSError, ValueError):  # the name is too long, or has a zero byte
        return False
    return path.exists() or not path.is_symlink()


def _safe_stem(text: str) -> str:
    """Make a folder name from any text that is valid on every system."""
    stem = re.sub(r"[^\w .,+=@()-]", "_", printable(text)).strip(" .")
    stem = stem.encode()[:_MAX_STEM_BYTES].decode(errors="ignore").strip(" .")
    if not stem:
        return "video"
    return f"_{stem}" if _RESERVED.fullmatch(stem) else stem


def _with_unique_stems(sources: Iterable[Source]) -> list[Source]:
    """Append -2, -3 and so on to repeated stems; some file systems ignore case."""
    taken: set[str] = set()
    last: dict[str, int] = {}  # numbers are not tried again: thousands may have one name
    unique = []
    for source in sources:
        name = source.stem.casefold()
        stem, n = source.stem, last.get(name, 1)
        while stem.casefold() in taken:
            n += 1
            stem = f"{source.stem}-{n}"
        last[name] = n
        taken.add(stem.casefold())
        unique.append(replace(source, stem=stem))
    return unique
