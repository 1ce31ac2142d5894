"""Legends of some rows say what of their entries is left, and nothing else."""

from __future__ import annotations

from typing import Any

from geoserver.styling import narrow_legend

ENTRIES: list[dict[str, Any]] = [
    {"title": "Kind", "label": "Oak, Elm", "value": ["oak", "elm"], "color": "#0a0"},
    {"title": "Kind", "label": "Fir", "value": "fir", "color": "#050"},
    {"title": "Kind", "label": "Other", "color": "#999"},
    {"title": "Height", "label": "5 m", "value": 5, "color": "#333"},
]


def test_entries_and_values_that_are_left_stay_and_others_stand_for_what_is_not_listed() -> None:
    labels = [entry["label"] for entry in narrow_legend(ENTRIES, {"Kind": {"elm"}})]
    assert labels == ["Elm", "5 m"]
    labels = [entry["label"] for entry in narrow_legend(ENTRIES, {"Kind": {"oak", "elm", "yew"}})]
    assert labels == ["Oak, Elm", "Other", "5 m"]
    assert narrow_legend(ENTRIES, {"Kind": None}) == narrow_legend(ENTRIES, {}) == ENTRIES
    assert [entry["label"] for entry in narrow_legend(ENTRIES, {"Kind": set(), "Height": {7}})] == []
