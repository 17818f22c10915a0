"""Takes the server's folders out of sentences that go to clients."""

from __future__ import annotations

from daemon.settings.keys import PathSettings


class Redactor:
    """Replaces each configured folder by its name: `/srv/x/models/a.gguf` becomes `models/a.gguf`."""

    def __init__(self, paths: PathSettings) -> None:
        named = [(str(getattr(paths, name)), name) for name in ("inbox", "outputs", "state", "uploads")]
        named += [(str(folder), folder.name if index else "models") for index, folder in enumerate(paths.models)]
        # The longest first: one folder may lie in another.
        self._folders = sorted((pair for pair in named if pair[0] != "."), key=lambda pair: -len(pair[0]))

    def __call__(self, text: str) -> str:
        """The sentence without paths of this machine, but for those of a command in backticks: it has to run."""
        parts = text.split("`")
        for index in range(0, len(parts), 2):
            for folder, name in self._folders:
                parts[index] = parts[index].replace(folder, name)
        return "`".join(parts)
