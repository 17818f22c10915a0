"""The state of a task as a tool answers it: JSON, and once it is completed a picture of it and a link to its result."""

from __future__ import annotations

import json
import mimetypes
from base64 import b64encode
from contextlib import suppress
from typing import Any

from mcp_types import CallToolResult, ContentBlock, ImageContent, ResourceLink, TextContent

from mcp_tools.api import Api, Problem, segment

RESULT = "seedvr2://result/"


async def shown(api: Api, status: dict[str, Any]) -> CallToolResult:
    """What `GET /api/status` said of a task, ready to be answered."""
    content: list[ContentBlock] = [TextContent(type="text", text=json.dumps(status, indent=2, ensure_ascii=False))]
    if status.get("status") == "completed":
        task, name = segment(str(status.get("id"))), str(status.get("output_filename"))
        # There may be no picture of it, and none is made while the machine is short of memory.
        with suppress(Problem):
            picture = b64encode(await api.fetch(f"/api/thumbnail/{task}")).decode("ascii")
            content.append(ImageContent(type="image", data=picture, mime_type="image/webp"))
        kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
        content.append(ResourceLink(type="resource_link", name=name, uri=RESULT + task, mime_type=kind))
    return CallToolResult(content=content, structured_content=status)
