"""`seedvr2.catalogue.pull_main` with a catalogue that takes whatever a hub of a test has under the names."""

from __future__ import annotations

import sys
from dataclasses import replace

from huggingface_hub import constants

from seedvr2.catalogue import pull_main, registry

for name, entry in registry.BY_NAME.items():
    registry.BY_NAME[name] = replace(entry, sha256=None, bytes=None)
# Small files come in more than one piece, too.
constants.DOWNLOAD_CHUNK_SIZE = 500
sys.exit(pull_main.main(sys.argv[1:]))
