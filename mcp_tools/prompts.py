"""The prompt that people choose in their host: restore all pictures and videos of a folder."""

from __future__ import annotations

import mimetypes
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.shared.exceptions import MCPError
from mcp_types import INVALID_PARAMS
from pydantic import Field

from mcp_tools.files import source_folder

# More names than that fill a conversation.
MOST_NAMES = 200


def register(server: MCPServer[Any], folders: Sequence[Path]) -> None:
    """Offer `restore_folder`."""

    @server.prompt(name="restore_folder", title="Restore this folder")
    def restore_folder(
        folder: Annotated[str, Field(description="Path of the folder on the machine where this MCP server runs")],
    ) -> str:
        """Restore and upscale every picture and video of a folder."""
        try:
            place = source_folder(folder, folders)
            return _text(place, _media(place, "image"), _media(place, "video"))
        except ToolError as error:
            raise MCPError(INVALID_PARAMS, str(error)) from None
        except OSError as error:
            raise MCPError(INVALID_PARAMS, f"{folder} cannot be read: {error.strerror}.") from None


def _media(folder: Path, kind: str) -> list[str]:
    """The names of the files that look like pictures (`image`) or videos (`video`), in order."""
    with os.scandir(folder) as entries:
        names = [entry.name for entry in entries if not entry.name.startswith(".") and entry.is_file()]
    return sorted(name for name in names if (mimetypes.guess_type(name)[0] or "").startswith(f"{kind}/"))


def _text(folder: Path, pictures: Sequence[str], videos: Sequence[str]) -> str:
    if not pictures and not videos:
        return f"There are no pictures and no videos in {folder}. Say so, and ask which folder is meant."
    listed = [*(f"- picture: {name}" for name in pictures), *(f"- video: {name}" for name in videos)]
    more = f"\n- and {len(listed) - MOST_NAMES} more" if len(listed) > MOST_NAMES else ""
    return f"""\
Restore the pictures and videos of the folder {folder} with SeedVR2:
{chr(10).join(listed[:MOST_NAMES])}{more}

1. Show me a preview of one of them first, and ask whether I like it and how large the results are to be.
2. Then submit each picture with submit_image_task and each video with submit_video_task, with its whole path and only
   the parameters that I asked for. All may be submitted at once; they wait in the queue.
3. wait_for_task for each of them, and save each result with download_result into the same folder.
4. At the end, list what was made, and what failed with the reason; the sources stay as they are."""
