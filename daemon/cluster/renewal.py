"""The head's certificate, made anew where its address has changed or it is about to expire."""

from __future__ import annotations

from pathlib import Path
from socket import gethostname

from daemon.cluster.addresses import address_of, shown_addresses
from daemon.cluster.certificates import Identity, fits, issue
from daemon.cluster.secrets import CA, CA_KEY, NEEDED, NODE, NODE_KEY, check_secrets, write_secret
from daemon.settings.config import Config


def renew(config: Config, folder: Path) -> None:
    """See to a certificate that fits. Raises ClusterError: the secrets are not as they have to be."""
    check_secrets(folder, (*NEEDED, CA_KEY))
    authority = Identity((folder / CA).read_bytes(), (folder / CA_KEY).read_bytes())
    addresses = shown_addresses(address_of(config)[0])
    if not fits((folder / NODE).read_bytes(), authority.chain, addresses):
        made = issue(authority, gethostname(), addresses)
        write_secret(folder, NODE_KEY, made.key)
        write_secret(folder, NODE, made.chain)
