"""The file that a machine joins with: all that it needs, and all that is secret of the cluster."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from daemon.cluster.certificates import Identity
from daemon.cluster.secrets import read_secret
from daemon.cluster.share import Mark
from daemon.errors import ClusterError

FORMAT = "seedvr2d-join-1"
SHARES = ("auto", "always", "never")


@dataclass(frozen=True, slots=True)
class JoinFile:
    """What is in it.

    Attributes:
        name: of the machine. address, port: of the head. lost_s: as configured there.
        authority: the certificate of the cluster. issuer: what the machine makes its certificate with.
        token: that of all. versions: of the head. models: SHA-256 by file name.
        marks: left in the folders of sources and results. share: whether these have to be shared, as configured there.
    """

    name: str
    address: str
    port: int
    lost_s: float
    authority: str
    issuer: str
    issuer_key: str
    token: str
    versions: dict[str, str]
    models: dict[str, str]
    marks: tuple[Mark, ...]
    share: str = "auto"

    @property
    def identity(self) -> Identity:
        """The issuer, for `certificates`."""
        return Identity(self.issuer.encode("ascii"), self.issuer_key.encode("ascii"))

    def text(self) -> str:
        """The file."""
        return json.dumps({"format": FORMAT, **asdict(self)}, indent=1) + "\n"


def read_join_file(path: Path) -> JoinFile:
    """Raises ClusterError: it cannot be read, others may read it too, or it is none."""
    if not path.is_file():
        raise ClusterError(f"{path} is not there; `seedvr2d cluster add NAME > NAME.join` on the head makes it.")
    try:
        values = json.loads(read_secret(path))
        if values.pop("format") != FORMAT:
            raise ValueError
        if values.get("share", "auto") not in SHARES:
            raise ValueError
        marks = tuple(Mark(**mark) for mark in values.pop("marks"))
        return JoinFile(**values, marks=marks)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ClusterError(f"{path} is no file of this version's `seedvr2d cluster add`; make it anew.") from error
