"""The REST API, asked by a tool: what it refuses is the tool's error."""

from __future__ import annotations

from mcp.server.mcpserver.exceptions import ToolError

from rest_client import api
from rest_client.api import segment

__all__ = ["Api", "Problem", "segment"]


class Problem(api.Problem, ToolError):  # noqa: N818 - a refusal, mostly
    """Why the API did not do it, as one sentence for the assistant."""


class Api(api.Api):
    """A client of the REST API. All methods raise Problem."""

    problem = Problem
