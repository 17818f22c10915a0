"""The MCP server: lets an AI assistant upscale files with the SeedVR2 service at SEEDVR2_API_URL.

`python mcp_server.py` speaks over standard input and output, `python mcp_server.py --http` over HTTP. It knows only
the REST API, so it runs wherever that can be reached. `docs/mcp.md` says how to add it to an assistant.
"""

from __future__ import annotations

import argparse
import os
import sys

import anyio

from mcp_tools.api import Api
from mcp_tools.oneshot import serve_stdio
from mcp_tools.server import make_server
from mcp_tools.settings import Settings, SettingsError


def main(arguments: list[str] | None = None) -> int:
    """The command line; answers the exit status."""
    options = _parser().parse_args(arguments)
    try:
        anyio.run(_run, options, Settings.read(os.environ))
    except SettingsError as error:
        print(f"mcp_server: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    return 0


async def _run(options: argparse.Namespace, settings: Settings) -> None:
    async with Api(settings.address) as api:
        server = make_server(api, settings)
        if options.http:
            # Imported here: a host that starts a process for each call should not wait for a web server.
            from mcp_tools.http import serve_http

            await serve_http(server, options.host, options.port, settings.http_token)
        else:
            await serve_stdio(server._lowlevel_server)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="mcp_server.py",
        description="MCP server of SeedVR2: lets an AI assistant upscale videos and pictures.",
        epilog="Environment: SEEDVR2_API_URL (default http://localhost:8200), SEEDVR2_SERVER_TOKEN (its token), "
        "SEEDVR2_MCP_FOLDERS (folders that may be used, default: the home folder), SEEDVR2_MCP_TIMEOUT (seconds), "
        "SEEDVR2_MCP_TOKEN (token of --http).",
    )
    parser.add_argument(
        "--http", action="store_true", help="serve streamable HTTP instead of standard input and output"
    )
    parser.add_argument("--host", default="127.0.0.1", help="address for --http; any but a loopback one needs a token")
    parser.add_argument("--port", type=int, default=8201, help="port for --http; 0: any free one")
    return parser


if __name__ == "__main__":
    sys.exit(main())
