"""`geoserver keys`: what it prints, what it refuses, and that a running server hears of it."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from gatehouse import bearer
from test_identify import wait_for
from typer.testing import CliRunner

from geoserver.cli import app
from geoserver.database.connecting import connect
from geoserver.database.keys import StoredSession, add_session
from geoserver.errors import BadParameterError, NotFoundError
from geoserver.gate import COOKIE, make_session

if TYPE_CHECKING:
    from fastapi.testclient import TestClient
    from gatehouse import House


def run(house: House, *arguments: str, group: str = "keys") -> str:
    """What the command prints for scripts; raises what it fails with."""
    environment = {"DATABASE_URL": house.database_url, "GEOSERVER_WORKSPACE": str(house.workspace), "COLUMNS": "400"}
    done = CliRunner().invoke(app, [group, *arguments], env=environment)
    if done.exception:
        raise done.exception
    return done.stdout


def add(house: House, *arguments: str) -> str:
    return run(house, "add", "--label", "Wells of Ann", "--layer", "wells", *arguments).splitlines()[-1]


def listed(house: House) -> list[dict[str, Any]]:
    return [json.loads(line) for line in run(house, "list", "--json").splitlines()]


def test_a_key_is_made_listed_used_and_revoked(asked: TestClient, house: House) -> None:
    limits = ("--expires", "2090-12-31", "--rate", "600", "--quota", "5000")
    key = add(house, "--may", "read,write", "--rows", "owner = 'Ann'", "--fields", "owner", *limits)
    assert key.startswith("gsk_")
    assert len(key) == 47
    assert asked.get("/who", headers=bearer(key)).json()["name"] == "Wells of Ann"
    wait_for(lambda: listed(house)[-1]["used_today"] == 1)
    told = listed(house)[-1]
    assert told["last_used"].endswith("Z")
    assert told["grants"] == [
        {"layers": ["wells"], "may": ["read", "write"], "rows": "owner = 'Ann'", "fields": ["owner"]}
    ]
    assert (told["rate"], told["quota"], told["expires"]) == (600, 5000, "2091-01-01T00:00:00Z")
    assert told["state"] == "holds"
    shown = run(house, "list")
    assert "Wells of Ann" in shown
    assert "5,000 a day" in shown
    for text in (shown, run(house, "list", "--json"), run(house, "audit")):
        assert key[4:] not in text
    assert "add key" in run(house, "audit")
    assert run(house, "revoke", told["id"]).strip() == f"revoked {told['id']}"
    wait_for(lambda: asked.get("/who", headers=bearer(key)).status_code == 401)
    assert listed(house)[-1]["state"] == "revoked"
    entry = json.loads(run(house, "audit", "--json", "--most", "1"))
    assert (entry["action"], entry["details"]) == ("revoke key", {"key": told["id"]})
    assert entry["subject"].startswith("command:")
    with pytest.raises(NotFoundError):
        run(house, "revoke", told["id"])


@pytest.mark.parametrize(
    ("arguments", "parameter"),
    [
        (("--may", "fly"), "may"),
        (("--may", ""), "may"),
        (("--layer", "nowhere"), "layers"),
        (("--layer", ""), "layers"),
        (("--rows", "owner = "), "rows"),
        (("--rows", "nosuch = 1"), "rows"),
        (("--rows", "owner"), "rows"),
        (("--rows", "a" * 9_000), "rows"),
        (("--fields", "wood"), "fields"),
        (("--expires", "2001-01-01"), "expires"),
        (("--expires", "soon"), "expires"),
        (("--expires", "2090-12-31T00:00:00"), "expires"),
        (("--expires", "9999-12-31"), "expires"),
        (("--rate", "0"), "rate"),
        (("--quota", "99999999999"), "quota"),
        (("--label", " "), "label"),
        (("--label", "a\0b"), "label"),
        (("--label", "x" * 300), "label"),
    ],
)
def test_a_key_that_would_not_be_what_was_meant_is_not_made(
    house: House, arguments: tuple[str, ...], parameter: str
) -> None:
    before = len(listed(house))
    with pytest.raises(BadParameterError) as caught:
        add(house, *arguments)
    assert caught.value.parameter == parameter
    assert len(listed(house)) == before


def test_a_grant_for_all_layers_may_fit_some_of_them(house: House) -> None:
    key = run(house, "add", "--label", "all", "--layer", "*", "--rows", "owner = 'Ann'", "--fields", "*")
    assert key.strip().startswith("gsk_")


def test_an_empty_filter_or_end_is_a_variable_that_is_not_set(house: House) -> None:
    before = len(listed(house))
    for option in ("--rows", "--expires"):
        for blank in ("", "  "):
            with pytest.raises(BadParameterError):
                add(house, option, blank)
    assert len(listed(house)) == before


def test_a_key_ends_with_what_was_made_with_it_where_that_is_said(house: House) -> None:
    add(house)
    maker = listed(house)[-1]["id"]
    add(house)
    made = listed(house)[-1]["id"]
    house.do("UPDATE geoserver.keys SET created_by = %s WHERE id = %s", [f"key:{maker}", made])
    run(house, "revoke", maker)
    assert listed(house)[-1]["state"] == "holds"
    assert run(house, "revoke", maker, "--with-made").strip() == f"revoked {made}"
    assert listed(house)[-1]["state"] == "revoked"


def test_who_is_signed_in_is_listed_and_signed_out_everywhere(asked: TestClient, house: House) -> None:
    stored, _ = house.key()
    later = datetime.now(UTC) + timedelta(hours=1)
    tokens: dict[str, tuple[str, str]] = {}
    with connect(house.database_url, autocommit=True) as connection:
        for name, key, subject in (
            ("one", None, "ann"),
            ("two", None, "ann"),
            ("ben", None, "ben"),
            ("odd", None, f"key:{stored.id}"),
            ("key", stored.id, f"key:{stored.id}"),
        ):
            token, digest = make_session()
            add_session(connection, StoredSession(digest, key, subject, name, ("[bold]staff",), later))
            tokens[name] = token, "key" if key else "person"

    def signed_in() -> set[str]:
        kinds = {
            name: asked.get("/who", headers={"Cookie": f"{COOKIE}={token}"}).json()["kind"]
            for name, (token, _) in tokens.items()
        }
        return {name for name, kind in kinds.items() if kind != "nobody"}

    assert signed_in() == set(tokens)
    shown = run(house, "list", group="sessions")
    assert shown.count("person:ann") == 2
    assert "[bold]staff" in shown
    whole = run(house, "list", "--json", group="sessions")
    assert [json.loads(line)["who"] for line in whole.splitlines()].count("person:ann") == 2
    assert not any(token[4:] in shown + whole for token, _ in tokens.values())
    assert run(house, "end", "person:ann", group="sessions").strip() == "ended 2 of person:ann"
    wait_for(lambda: signed_in() == {"ben", "odd", "key"})
    run(house, "end", f"key:{stored.id}", group="sessions")
    wait_for(lambda: signed_in() == {"ben", "odd"})
    assert "person:ann" not in run(house, "list", group="sessions")
    assert "end sessions" in run(house, "audit")
    for nobody in ("person:ann", "ann", "person:%", ""):
        with pytest.raises(NotFoundError):
            run(house, "end", nobody, group="sessions")


def test_ten_thousand_keys_are_listed_a_hundred_at_a_time_in_lines_that_can_be_read(house: House) -> None:
    house.do(
        """
        INSERT INTO geoserver.keys (id, digest, label, grants, created_by, created_at)
        SELECT to_char(n, 'FM0000000000'), sha256(n::text::bytea), 'many ' || n,
               jsonb_build_array(jsonb_build_object(
                   'layers', (SELECT jsonb_agg('layer_' || m) FROM generate_series(1, 40) AS m),
                   'may', '["read"]'::jsonb, 'rows', repeat('x', 500), 'fields', '[]'::jsonb)),
               'command:tester', '2001-01-01'::timestamptz + n / 3 * interval '1 second'
          FROM generate_series(1, 10000) AS n
        """
    )
    try:
        everything = [key["id"] for key in listed(house)]
        assert len(everything) == len(set(everything)) >= 10_000
        assert [name for name in everything if len(name.strip("0123456789")) == 0][:3] == [
            f"{n:010}" for n in (1, 2, 3)
        ]
        shown = run(house, "list", "--before", "0000000205", "--most", "50").splitlines()
        assert [line.split()[0] for line in shown[1:]] == [f"{n:010}" for n in range(155, 205)]
        assert max(map(len, shown)) < 400
        assert len(run(house, "list").splitlines()) == 101
        newest = run(house, "list", "--most", "3", "--before", everything[-1], "--json").splitlines()
        assert [json.loads(line)["id"] for line in newest] == everything[-4:-1]
        with pytest.raises(BadParameterError, match="--before"):
            run(house, "list", "--before", "nothing")
    finally:
        house.do("DELETE FROM geoserver.keys WHERE label LIKE 'many %'")
