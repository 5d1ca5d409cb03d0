"""Reading of images, and writing of files: the one way in which this project replaces a file.

A file is complete and on the disk, or it is not there: it is written under a temporary name and
then renamed. Every command and every class that writes files does it by `replacing`,
`Replacement` or `Staging`.
"""

from __future__ import annotations

import errno
import io
import json
import math
import os
import secrets
import shutil
import stat
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from PIL import Image, ImageCms, ImageOps

from unveil.arrays import U8
from unveil.errors import MissingInput, OutputUnwritable, UnreadableImage, UnveilError
from unveil.interruption import before_abort

if TYPE_CHECKING:
    from os import PathLike

ROOM, BACKGROUND = "room.png", "background.png"
"""The two pictures in the folder of a recovery."""

_MAX_STEM_BYTES: Final = 64
_MAX_SUFFIX_BYTES: Final = 16
"""Of a temporary name, which is then shorter than any file system allows."""
HEAD_BYTES: Final = 65536
"""Of an image's file, in which its colours are described."""

_HDR_TRANSFERS: Final = frozenset({16, 18})
"""PQ and HLG in Rec. ITU-T H.273."""

_MOVING_FORMATS: Final = frozenset({"GIF", "PNG", "WEBP"})
_STILL_SUFFIXES: Final = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff"})

_PNG_COMPRESSION: Final = 3
"""zlib level; it takes half the time of the default 6 for a few per cent more bytes."""


class Replacement:
    """A new file that replaces another one as a whole, or leaves it as it was.

    It is written under a temporary name in the same folder, and renamed when it is complete and
    on the disk. A symbolic link is followed: the file that it leads to is replaced. Not
    thread-safe.

    Attributes
    ----------
    path
        The file to replace; it need not exist.
    temporary
        Where to write; its suffix is that of `path` unless that is very long.

    Raises
    ------
    OutputUnwritable
        The name is too long for its folder's file system, or belongs to what is no regular file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._target = _followed(path)
        stem, suffix = _shortened(self._target.stem), self._target.suffix
        if len(os.fsencode(suffix)) > _MAX_SUFFIX_BYTES:
            suffix = ""
        self.temporary = self._target.with_name(f".{stem}.{secrets.token_hex(4)}.part{suffix}")
        self._pending = ExitStack()
        self._pending.enter_context(before_abort(self.temporary.unlink))

    def commit(self) -> None:
        """Put the new file in place; it and its name then survive a power failure.

        Raises
        ------
        OSError
            The temporary file is missing, or cannot be written to the disk or renamed.
        """
        with suppress(OSError):  # there was no file, or its permissions cannot be given
            self.temporary.chmod(stat.S_IMODE(self._target.stat().st_mode))
        write_through(self.temporary)
        self.temporary.replace(self._target)
        self._pending.close()
        write_folder_through(self._target.parent)

    def discard(self) -> None:
        """Remove the temporary file if there is one; after `commit` this does nothing."""
        with suppress(OSError):
            self.temporary.unlink()
        self._pending.close()


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; it replaces `path` if the body succeeds.

    Raises
    ------
    OutputUnwritable
        As `Replacement`, or the body raised an `OSError`: no such folder, no permission, no space.
    """
    replacement = Replacement(path)
    try:
        yield replacement.temporary
        replacement.commit()
    except UnveilError:
        raise
    except OSError as error:
        raise unwritable(path, error) from error
    finally:
        replacement.discard()


class Staging:
    """New files of one folder that appear together, or not at all.

    They are written into a hidden folder in it. `commit` writes all of them to the disk before
    it renames the first one; only a failure between two renames can leave some old and some new.
    Not thread-safe.

    Parameters
    ----------
    folder
        Where the files are to be; it exists.
    label
        For the name of the hidden folder.

    Raises
    ------
    OutputUnwritable
        The folder cannot be written.
    """

    def __init__(self, folder: Path, label: str) -> None:
        self._folder = folder
        prefix = f".{_shortened(label)}."
        try:
            self._hidden = Path(tempfile.mkdtemp(prefix=prefix, suffix=".part", dir=folder))
        except OSError as error:
            raise unwritable(folder, error) from error
        self._pending = ExitStack()
        self._pending.enter_context(before_abort(self._remove))

    def path(self, name: str) -> Path:
        """Return where to write the file of this name."""
        return self._hidden / name

    def commit(self) -> None:
        """Put all files in place, in the order of their names.

        Raises
        ------
        OutputUnwritable
            A file cannot be written to the disk or renamed.
        """
        written = sorted(self._hidden.iterdir())
        path = self._folder
        try:
            for path in written:
                write_through(path)
            for path in written:
                target = self._folder / path.name
                if target.is_symlink():  # it may lead to another disk
                    with replacing(target) as temporary:
                        shutil.copyfile(path, temporary)
                else:
                    path.replace(target)
            write_folder_through(self._folder)
        except UnveilError:
            raise
        except OSError as error:
            raise unwritable(self._folder / path.name, error) from error
        self.discard()

    def discard(self) -> None:
        """Remove the files that are not in place; after `commit` this does nothing."""
        self._remove()
        self._pending.close()

    def _remove(self) -> None:
        shutil.rmtree(self._hidden, ignore_errors=True)


def unwritable(path: object, error: Exception) -> OutputUnwritable:
    """Return the error to raise where writing `path` failed, with the system's reason."""
    number = getattr(error, "errno", None)
    remedy = "choose another folder"
    if number in (errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC)):
        remedy = "free some space or choose another folder"
    elif number in (errno.EACCES, errno.EPERM, errno.EROFS):
        remedy = "change its permissions or choose another folder"
    elif number == errno.ENAMETOOLONG:
        remedy = "choose a shorter name"
    reason = getattr(error, "strerror", None) or error
    return OutputUnwritable(f"{path}: cannot be written ({reason}); {remedy}")


def is_there(path: Path) -> bool:
    """Whether a path leads to something; no name that cannot be does."""
    try:
        return path.exists()
    except (OSError, ValueError):
        return False


def refuse_unwritable_name(path: Path) -> None:
    """Raise `OutputUnwritable` if no file of this name can be made, before work is begun.

    The name is too long for the file system, belongs to a folder or a device, or is a symbolic
    link that leads to itself. A missing folder is not looked for.
    """
    _followed(path)


def write_through(path: Path) -> None:
    """Wait until a file's content is on the disk (fsync)."""
    _fsync(path, os.O_RDWR)


def write_folder_through(folder: Path) -> None:
    """Wait until a folder's names are on the disk, where the system can do that."""
    with suppress(OSError):  # Windows opens no folder; some file systems refuse
        _fsync(folder, os.O_RDONLY)


def _shortened(stem: str) -> str:
    while len(os.fsencode(stem)) > _MAX_STEM_BYTES:
        stem = stem[:-1]
    return stem


def _fsync(path: Path, flags: int) -> None:
    descriptor = os.open(path, flags | getattr(os, "O_BINARY", 0))
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _followed(path: Path) -> Path:
    """Return the file that a path leads to; raise `OutputUnwritable` if it cannot be one."""
    target = path
    try:
        if path.is_symlink():
            target = Path(os.path.realpath(path))
        mode = target.lstat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return target
    except ValueError as error:  # it has a zero byte
        raise OutputUnwritable(f"{path}: is no possible name; choose another one") from error
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            raise unwritable(path, error) from error
        return target  # such as no permission to look; writing tells the reason
    if stat.S_ISREG(mode):
        return target
    if stat.S_ISDIR(mode):
        raise OutputUnwritable(f"{path}: is a folder; name a file in it")
    if stat.S_ISLNK(mode):
        raise OutputUnwritable(f"{path}: is a symbolic link to itself; name a file")
    raise OutputUnwritable(f"{path}: is a device or a pipe; name a file")


def make_folder(folder: Path) -> None:
    """Make a folder and its parents.

    Raises
    ------
    OutputUnwritable
        The folder cannot be made, or a file has its name.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputUnwritable(
            f"{folder}: cannot be made a folder ({error.strerror}); choose another one"
        ) from error


@contextmanager
def result_folder(folder: Path) -> Iterator[None]:
    """Make a folder and its parents; remove those made here that are empty after the block.

    Raises
    ------
    OutputUnwritable
        The folder cannot be made, or a file has its name.
    """
    made = [path for path in (folder, *folder.parents) if not is_there(path)]

    def remove_empty() -> None:
        for path in made:
            with suppress(OSError):  # it holds a result
                path.rmdir()

    with before_abort(remove_empty):
        try:
            make_folder(folder)
            yield
        finally:
            remove_empty()


@contextmanager
def removed_unless_complete(*paths: Path) -> Iterator[None]:
    """Remove files if the block fails or a second signal ends it: one makes no result alone."""

    def remove() -> None:
        for path in paths:
            with suppress(OSError):
                path.unlink()

    with before_abort(remove):
        try:
            yield
        except BaseException:
            remove()
            raise


def read_image(path: str | PathLike[str]) -> U8:
    """Read an image as uint8 RGB of shape (h, w, 3), or RGBA of shape (h, w, 4).

    An EXIF orientation is applied, and colours of an ICC profile are converted to sRGB.

    Raises
    ------
    MissingInput
        There is no such file.
    UnreadableImage
        The file is not an image of 8 bits a channel, or it is HDR.
    """
    if not is_there(Path(path)):
        raise MissingInput(f"{path}: no such file")
    try:
        with Image.open(path) as image:
            if image.mode[0] in "IF":
                raise UnreadableImage(f"{path}: has more than 8 bits a channel; convert it first")
            with Path(path).open("rb") as file:
                head = file.read(HEAD_BYTES)
            if is_hdr(head):
                raise UnreadableImage(f"{path}: is HDR; save it as SDR in sRGB first")
            oriented = ImageOps.exif_transpose(image)
            mode = "RGBA" if oriented.has_transparency_data else "RGB"
            return np.array(to_srgb(oriented, mode))
    except UnreadableImage:
        raise
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        reason = " ".join(str(error).split())
        raise UnreadableImage(
            f"{path}: is not a picture that can be read ({reason}); take another one"
        ) from error


def to_srgb(image: Image.Image, mode: str) -> Image.Image:
    """Convert to RGB or RGBA, from the colours of the embedded ICC profile if there is one."""
    profile = image.info.get("icc_profile")
    if not profile or image.mode not in ("RGB", "RGBA", "L", "CMYK"):
        return image.convert(mode)
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        converted = ImageCms.profileToProfile(
            image, source, ImageCms.createProfile("sRGB"), outputMode=mode
        )
    except (ImageCms.PyCMSError, OSError):  # a damaged profile, or one of another kind of image
        return image.convert(mode)
    assert converted is not None  # it is not converted in place
    return converted


def is_hdr(head: bytes) -> bool:
    """Whether a PNG's cICP chunk or an AVIF's colour box names PQ or HLG, which Pillow ignores."""
    for marker, transfer_offset, length in ((b"cICP", 5, 1), (b"colrnclx", 10, 2)):
        place = head.find(marker)
        if place >= 0:
            begin = place + transfer_offset
            return int.from_bytes(head[begin : begin + length], "big") in _HDR_TRANSFERS
    return False


def is_still(path: str | PathLike[str]) -> bool:
    """Whether a file is one picture, decided by its frames: the one rule for all commands.

    An image of a format that can move (GIF, PNG, WebP) is a film if it has several frames. Pages
    of a TIFF and the further pictures of a camera's JPEG are no film. What is no image at all is
    a film, unless its suffix names a picture, which is then reported as a damaged one.
    """
    path = Path(path)
    try:
        with Image.open(path) as image:
            return image.format not in _MOVING_FORMATS or getattr(image, "n_frames", 1) == 1
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return path.suffix.lower() in _STILL_SUFFIXES


def write_png(path: Path, picture: U8) -> None:
    """Write an RGB or RGBA picture, (h, w, 3) or (h, w, 4) uint8."""
    with replacing(path) as temporary:
        save_png(temporary, picture)


def save_png(path: Path, picture: U8) -> None:
    """Write a picture in place, for paths that are temporary already.

    Raises
    ------
    OSError
        It cannot be written.
    """
    Image.fromarray(picture).save(path, format="PNG", compress_level=_PNG_COMPRESSION)


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write indented JSON; NaN and infinite numbers become null."""
    with replacing(path) as temporary:
        # What UTF-8 cannot encode, a name of other bytes, becomes an escape as JSON knows it.
        text = as_json(content) + "\n"
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace")


def as_json(content: Mapping[str, Any]) -> str:
    """Format as indented JSON; NaN and infinite numbers become null."""
    return json.dumps(finite(content), indent=2, ensure_ascii=False, allow_nan=False)


def finite(value: Any) -> Any:
    """Replace every float that is NaN or infinite, at any depth, by None: JSON has no such number.

    Mappings become dicts, lists and tuples become lists.
    """
    if isinstance(value, Mapping):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
