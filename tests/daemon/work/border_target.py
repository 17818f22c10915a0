"""`python -m tests.daemon.work.border_target FOLDER`: a service to be killed, in which a film waits for a picture.

Says the ids of both once the picture runs, which it does for ever.
"""

from __future__ import annotations

import sys
import threading
from pathlib import Path

from daemon.service import Service
from tests.daemon.conftest import Running, make_config, png
from tests.daemon.work.test_borders import AS_FILMS, local, send_film


def main(folder: Path) -> None:
    """Run it."""
    for module, name, value in AS_FILMS:
        setattr(module, name, value)
    executor = local(folder)
    run, begun = executor.run, threading.Event()

    def held(source: Path, *more, **named):  # type: ignore[no-untyped-def]
        if source.suffix == ".png":
            begun.set()
            threading.Event().wait()
        return run(source, *more, **named)

    executor.run = held  # type: ignore[method-assign]
    service = Service(make_config(folder), executor)
    service.start()
    running = Running(service)
    film_id = send_film(running, folder / "film.mp4")
    picture_id = running.submit("photo.png", png(), resolution=64)
    begun.wait()
    print(film_id, picture_id, flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
