"""How tests have a map frozen."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fastapi.testclient import TestClient

__all__ = ["BURGLARIES", "freeze", "wait_until_made"]

BURGLARIES = "?layers=crime&filter.crime=category = 'burglary'&time=2024-01-01/2024-03-01&map=12/45.2/-28.6"


def wait_until_made(client: TestClient, told: dict[str, Any], **headers: str) -> dict[str, Any]:
    """The last status."""
    deadline = time.monotonic() + 240
    while told["state"] not in ("done", "failed"):
        assert time.monotonic() < deadline
        time.sleep(0.05)
        told = client.get(f"/frozen/{told['id']}/status.json", headers=headers).json()
    return told


def freeze(client: TestClient, link: str, title: str = "", **headers: str) -> dict[str, Any]:
    """Freeze, and wait until that is done; gives the last status."""
    answer = client.post("/frozen", json={"link": link, "title": title}, headers=headers)
    assert answer.status_code == 202, answer.text
    return wait_until_made(client, answer.json(), **headers)
