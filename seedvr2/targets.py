"""Which file each source of the `upscale` command becomes: folders walked through, names that never meet."""

from __future__ import annotations

import mimetypes
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from seedvr2.errors import OptionError, SeedVR2Error
from seedvr2.media import output_suffix, probe
from seedvr2.media.foreign import foreign_kind
from seedvr2.options import UpscaleOptions
from seedvr2.trouble import refusal

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Found:
    """A file to upscale, and where its result goes without its suffix: the folder, and the name that it comes from."""

    source: Path
    folder: Path
    suffix: str

    @property
    def plain(self) -> Path:
        """The result under the name of its source."""
        return self.folder / f"{self.source.stem}{self.suffix}"


class Targets:
    """The pairs of source and target of one command. `failed` counts the files that cannot be made."""

    def __init__(self, options: UpscaleOptions, tell: Tell) -> None:
        self.failed = 0
        self._options = options
        self._tell = tell

    def pairs(self, sources: Sequence[Path], target: str) -> list[tuple[Path, Path]]:
        """What is made of `sources`: the file `target`, or files in a folder of that name.

        It is a folder where it ends in a slash or is one, for several sources, and for a folder. Results are named as
        their sources; where that would give two of them one name, a source that is not called so keeps its suffix
        within it: `a.png` and `a.jpg` become `a.png` and `a.jpg.png`.

        Raises:
            OptionError: a source is missing or would be replaced by a result, or nothing of them can be upscaled.
        """
        for source in sources:
            if not source.exists():
                raise OptionError("source", f"There is no file or folder {source}.")
        path = Path(target)
        if not (target.endswith(("/", os.sep)) or path.is_dir() or len(sources) > 1 or sources[0].is_dir()):
            pairs = [(sources[0], path)]
        elif path.exists() and not path.is_dir():
            raise OptionError("target", f"{path} is a file; the results need a folder.")
        else:
            found = [each for source in sources for each in self._found(source, path, several=len(sources) > 1)]
            if not found and not self.failed:
                raise OptionError("source", f"There is no picture or video in {', '.join(map(str, sources))}.")
            pairs = _named(found)
        own = {source.resolve() for source, _ in pairs}
        for _, result in pairs:
            if result.resolve() in own:
                raise OptionError("target", f"{result} would take the place of a source; name another folder or file.")
        return pairs

    def _found(self, source: Path, target: Path, *, several: bool) -> Iterator[Found]:
        named = not source.is_dir()
        # Of several folders each keeps its name.
        folder = target / source.resolve().name if several and not named else target
        for path in (source,) if named else self._walk(source, target):
            try:
                suffix = output_suffix(probe(path), self._options)
            except OptionError:
                raise
            except SeedVR2Error as error:
                self._not_made(path, error, named=named)
                continue
            yield Found(path, folder if named else folder / path.relative_to(source).parent, suffix)

    def _walk(self, root: Path, target: Path) -> Iterator[Path]:
        results = target.resolve()
        for folder, folders, files in os.walk(root, onerror=self._unreadable):
            here = Path(folder)
            # Hidden ones hold what is unfinished, and results of an earlier run are no sources.
            folders[:] = sorted(
                name for name in folders if not name.startswith(".") and (here / name).resolve() != results
            )
            yield from (here / name for name in sorted(files) if not name.startswith("."))

    def _unreadable(self, error: OSError) -> None:
        self.failed += 1
        self._tell(str(refusal(Path(error.filename or "."), error)))

    def _not_made(self, path: Path, error: SeedVR2Error, *, named: bool) -> None:
        if not named and _is_something_else(path):
            self._tell(f"{path.name}: skipped: {error}")
            return
        self.failed += 1
        self._tell(f"{path.name}: {error}")


def _is_something_else(path: Path) -> bool:
    """Whether a file that cannot be opened was never meant to be a picture or a video: notes, subtitles, sound."""
    kind = mimetypes.guess_type(path.name)[0]
    if path.suffix.lower() in Image.registered_extensions() or (kind or "").startswith(("image/", "video/")):
        return False
    if kind is not None:
        return True
    try:
        return foreign_kind(path) is not None
    except OSError:
        return False


def _named(found: Sequence[Found]) -> list[tuple[Path, Path]]:
    found = list(dict.fromkeys(found))
    wanted = Counter(each.plain for each in found)
    targets: dict[Found, Path] = {}
    taken: set[Path] = set()
    # Whatever keeps its name is named first, so that no other one can have taken it.
    for each in sorted(found, key=lambda each: _gives_way(each, wanted)):
        target = each.plain
        if target in taken or _gives_way(each, wanted):
            target = _free(each.folder, each.source.name, each.suffix, taken)
        taken.add(target)
        targets[each] = target
    return [(each.source, targets[each]) for each in found]


def _gives_way(each: Found, wanted: Counter[Path]) -> bool:
    return wanted[each.plain] > 1 and each.source.name != each.plain.name


def _free(folder: Path, name: str, suffix: str, taken: set[Path]) -> Path:
    target, number = folder / f"{name}{suffix}", 2
    while target in taken:
        target, number = folder / f"{name}-{number}{suffix}", number + 1
    return target
