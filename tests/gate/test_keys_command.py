"""`geoserver keys`: what it prints, what it refuses, and that a running server hears of it."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from gatehouse import bearer
from test_identify import wait_for
from typer.testing import CliRunner

from geoserver.catalog import read_catalog
from geoserver.cli import app
from geoserver.database.connecting import connect
from geoserver.database.keys import StoredSession, add_session
from geoserver.errors import BadParameterError, NotFoundError
from geoserver.gate import COOKIE, make_session
from geoserver.gate.grants import find_idle
from geoserver.model import Grant

if TYPE_CHECKING:
    from pathlib import Path

    from fastapi.testclient import TestClient
    from gatehouse import House


def run(house: House, *arguments: str, group: str = "keys", columns: str = "400", told: bool = False) -> str:
    """What the command prints for scripts, or tells people; raises what it fails with."""
    environment = {"DATABASE_URL": house.database_url, "GEOSERVER_WORKSPACE": str(house.workspace), "COLUMNS": columns}
    done = CliRunner().invoke(app, [group, *arguments], env=environment)
    if done.exception:
        raise done.exception
    return done.stderr if told else done.stdout


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


def test_lists_cut_nothing_off_however_narrow_they_are(house: House) -> None:
    add(house, "--rows", "owner = 'Ann' AND wood IN ('oak', 'elm', 'beech', 'birch')")
    made = listed(house)[-1]
    for columns in ("80", "40"):
        shown = run(house, "list", columns=columns)
        assert made["id"] in shown
        assert "birch" in shown
        assert "…" not in shown
        assert made["id"] in run(house, "audit", columns=columns)
        assert "…" not in run(house, "audit", columns=columns)


def test_the_list_tells_which_keys_do_not_fit_the_layers_any_more(house: House) -> None:
    gone, _ = house.key(Grant(frozenset({"wells", "gone"})))
    unfit, _ = house.key(Grant(frozenset({"wells"}), rows="depth > 3"))
    fine, _ = house.key(Grant(frozenset({"wells"}), rows="wood = 'oak'"))
    ended, _ = house.key(Grant(frozenset({"gone"})))
    run(house, "revoke", ended.id)
    told = {line.split()[1]: line for line in run(house, "list", told=True).splitlines() if "does not open" in line}
    assert "'gone'" in told[gone.id]
    assert "'depth'" in told[unfit.id]
    assert not {fine.id, ended.id} & told.keys()


def test_a_key_of_which_nobody_knows_the_id_is_revoked_by_itself(asked: TestClient, house: House) -> None:
    stored, key = house.key()
    assert run(house, "revoke", key).strip() == f"revoked {stored.id}"
    wait_for(lambda: asked.get("/who", headers=bearer(key)).status_code == 401)
    assert key not in run(house, "audit", "--json")
    with pytest.raises(NotFoundError) as caught:
        run(house, "revoke", key)
    assert key not in str(caught.value)


def test_an_archive_of_a_closed_layer_is_told_to_be_open(house: House, tmp_path: Path) -> None:
    for name, closed in (("wells", True), ("benches", False)):
        told = run(house, "build", name, str(tmp_path / f"{name}.pmtiles"), "--zoom", "0", group="tiles", told=True)
        assert ("whoever has the archive" in told) is closed


def test_a_label_is_told_as_it_is(house: House) -> None:
    assert "for [red]Ann[/];" in run(house, "add", "--label", "[red]Ann[/]", "--layer", "wells", told=True)


def test_several_layers_stand_in_one_option_or_in_several(house: House) -> None:
    for several in (("--layer", "benches,wells"), ("--layer", "benches", "--layer", "wells")):
        run(house, "add", "--label", "Both", *several)
        assert listed(house)[-1]["grants"][0]["layers"] == ["benches", "wells"]


def test_a_grant_that_shows_nothing_more_is_told_when_its_key_is_made(house: House) -> None:
    known = read_catalog(house.settings).layers
    benches, wells = known["benches"], known["wells"]  # the wells have a restricted field
    layers = {
        "benches": benches,
        "pipes": replace(benches, id="pipes", access="restricted"),
        "ponds": replace(benches, id="ponds", access="draft"),
        "wells": replace(wells, access="public"),
    }
    everything = frozenset(layers)

    def told(**more: Any) -> list[str]:
        return [text.partition(":")[0] for text in find_idle(Grant(everything, **more), layers)]

    assert told() == ["benches is public", "ponds is a draft", "wells is public"]
    assert told(fields=frozenset({"owner"})) == ["benches is public", "ponds is a draft"]
    some = find_idle(Grant(everything, rows="wood = 'oak'", fields=frozenset({"*"})), layers)
    assert some[-1] == "wells is public, in all its rows: a grant for some rows shows no restricted field of it"
    assert told(may=frozenset({"read", "manage"})) == []


def test_the_command_says_what_a_key_shows_nothing_more_of(house: House) -> None:
    assert "benches is public" in run(house, "add", "--label", "idle", "--layer", "benches", told=True)
    assert "is public" not in run(house, "add", "--label", "wells", "--layer", "wells", told=True)


@pytest.mark.parametrize(
    ("arguments", "parameter"),
    [
        (("--may", "fly"), "may"),
        (("--may", ""), "may"),
        (("--layer", "nowhere"), "layers"),
        (("--layer", "nowhere, wells"), "layers"),
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


@pytest.mark.slow
def test_ten_thousand_keys_are_listed_a_hundred_at_a_time(house: House) -> None:
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
        assert len(run(house, "list").splitlines()) == 101
        newest = run(house, "list", "--most", "3", "--before", everything[-1], "--json").splitlines()
        assert [json.loads(line)["id"] for line in newest] == everything[-4:-1]
        with pytest.raises(BadParameterError, match="--before"):
            run(house, "list", "--before", "nothing")
    finally:
        house.do("DELETE FROM geoserver.keys WHERE label LIKE 'many %'")
