"""The API's description as a page: made from the OpenAPI document, without a script or anything from elsewhere."""

from __future__ import annotations

from typing import Any

from geoserver.site.rendering import render

__all__ = ["render_reference"]

_METHODS = ("get", "post", "put", "patch", "delete")


def render_reference(document: dict[str, Any], site: str, title: str) -> bytes:
    """The page for an OpenAPI document; `site` is the server's address, without a slash at its end."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for path, item in document["paths"].items():
        for method in _METHODS:
            if method in item:
                tag = next(iter(item[method].get("tags", [])), "other")
                groups.setdefault(tag, []).append(_build_operation(method, path, item[method]))
    shown = [{"title": tag.capitalize(), "operations": operations} for tag, operations in sorted(groups.items())]
    return render("reference.html", groups=shown, site=site, title=title).encode()


def _build_operation(method: str, path: str, operation: dict[str, Any]) -> dict[str, Any]:
    parameters = [
        {
            "name": parameter["name"],
            "place": parameter["in"],
            "description": parameter.get("description", "") + (" Required." if parameter.get("required") else ""),
        }
        for parameter in operation.get("parameters", [])
    ]
    summary, description = operation.get("summary", ""), operation.get("description", "")
    return {
        "method": method.upper(),
        "path": path,
        "summary": summary if summary.endswith((".", "?")) else f"{summary}.",
        "description": description,
        "parameters": parameters,
    }
