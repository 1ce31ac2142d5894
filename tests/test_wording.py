"""Words of a layer file: what its rows are called, how a feature is titled, and the same in other languages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from geoserver import assets, styling
from geoserver.catalog import read_catalog, read_layer
from geoserver.catalog.labels import fill_label, keep_fields, title_feature
from geoserver.catalog.languages import choose_languages, in_language, pick_language, words_for
from geoserver.catalog.speech import mark_languages, title_language
from geoserver.errors import CatalogError
from geoserver.settings import Settings

if TYPE_CHECKING:
    from pathlib import Path

    from geoserver.model import Layer

BENCHES = """
title = "Benches"
license = "CC0-1.0"
source = "data/benches.csv"
kind = "points"
"""
WORDED = (
    BENCHES
    + """
language = "en"
noun = "bench"
nouns = "benches"
label = "{wood}, {placed}"
[fields.wood]
type = "text"
labels = { oak = "Oak" }
[fields.placed]
title = "Placed"
type = "date"
"""
)


def read(folder: Path, text: str) -> Layer:
    path = folder / "benches.toml"
    path.write_text(text, encoding="utf-8")
    return read_layer(path)


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{a}, {b}", {"ab": "A, B", "a": "A", "b": "B", "": ""}),
        ("No. {a}", {"a": "No. A", "": ""}),
        ("{a} ({b})", {"ab": "A (B)", "a": "A"}),
        ("{a} ({b}), {c}", {"abc": "A (B), C", "ab": "A (B)", "ac": "A, C", "bc": "B), C", "a": "A"}),
        ("{a} / {b} / {c}", {"abc": "A / B / C", "ac": "A / C", "bc": "B / C", "c": "C"}),
        ("Tree {a}: {b} m", {"ab": "Tree A: B m", "a": "Tree A", "b": "B m"}),
    ],
)
def test_a_label_leaves_out_what_a_feature_does_not_have(template: str, expected: dict[str, str]) -> None:
    for present, text in expected.items():
        assert fill_label(template, lambda name, present=present: name.upper() if name in present else "") == text  # type: ignore[misc]


def test_a_label_keeps_the_fields_that_are_served() -> None:
    assert keep_fields("{a}, {b}", {"b"}) == "{b}"
    assert keep_fields("{a}", {"b"}) == ""


def test_the_name_of_one_field_is_a_label(tmp_path: Path) -> None:
    assert read(tmp_path, WORDED.replace('"{wood}, {placed}"', '"wood"')).label == "{wood}"


def test_a_feature_is_titled_in_words(tmp_path: Path) -> None:
    layer = read(tmp_path, WORDED)
    assert title_feature(layer, {"wood": "oak", "placed": "2025-04-03"}) == "Oak, 2025-04-03"
    assert title_feature(layer, {"wood": "oak", "placed": None}) == "Oak"
    assert title_feature(layer, {}) == ""


def test_a_translation_says_what_it_says_and_leaves_the_rest(tmp_path: Path) -> None:
    french = '[languages.fr]\ntitle = "Bancs"\nfields.wood = { title = "Bois", labels = { oak = "Chêne" } }'
    layer = in_language(read(tmp_path, WORDED + french), ("fr-BE",))
    assert (layer.title, layer.fields["wood"].title, layer.fields["placed"].title) == ("Bancs", "Bois", "Placed")
    assert (layer.spoken, layer.fields["wood"].language, layer.fields["placed"].language) == ("fr", "fr", "en")
    assert title_feature(layer, {"wood": "oak"}) == "Chêne"
    assert layer.nouns == ""  # "3 benches" in a French sentence is worse than "3 lignes"


def test_what_is_half_translated_tells_the_language_of_each_text(tmp_path: Path) -> None:
    worded = WORDED.replace('language = "en"', 'language = "en"\ndescription = "To sit on."\ntheme = "Streets"')
    worded = worded.replace(
        'labels = { oak = "Oak" }', 'description = "Of the seat."\nlabels = { oak = "Oak", elm = "Elm" }'
    )
    noise = '[fields.noise]\ntype = "number"\nlimits = [{ value = 5, title = "Low" }, { value = 9, title = "High" }]\n'
    french = '[languages.fr]\ntitle = "Bancs"\nlegend = { Broken = "Cassé" }\nfields.noise.limits = { Low = "Bas" }\n'
    french += 'fields.wood = { title = "Bois", labels = { oak = "Chêne" } }'
    layer = in_language(read(tmp_path, worded + noise + french), ("fr",))
    assert (layer.spoken, layer.description_language, layer.theme_language, layer.theme_key) == (
        "fr",
        "en",
        "en",
        "Streets",
    )
    wood = layer.fields["wood"]
    assert (wood.language, wood.description_language, wood.labels_language) == ("fr", "en", "fr")
    assert wood.untranslated_labels == ("elm",)
    limits = [(limit.title, limit.language) for limit in layer.fields["noise"].limits]
    assert limits == [("Bas", "fr"), ("High", "en")]
    entries: list[dict[str, Any]] = [
        {"label": "Chêne", "title": "Bois"},
        {"label": "Elm", "title": "Placed"},
        {"label": "Rotten wood", "value": "rotten wood"},  # as it is stored
        {"label": "Chêne, Elm"},  # no one language
        {"label": "2 à 5"},
        {"label": "Autres"},
        {"label": "Cassé"},
        {"label": "Painted"},  # said by the style alone
    ]
    marked = mark_languages(entries, layer, words_for(layer, ("fr",)))
    assert [entry.get("language", "fr") for entry in marked] == ["fr", "en", "en", "fr", "fr", "fr", "fr", "en"]
    assert [entry.get("title_language", "fr") for entry in marked[:2]] == ["fr", "en"]
    assert title_language("Cassé", layer) == {}
    assert title_language("Benches in each bin", layer) == {"title_language": "en"}
    # A reader whose language the layer does not have still reads the server's own words in it.
    italian = in_language(read(tmp_path, worded + noise), ("de",))
    assert mark_languages([{"label": "2 bis 5"}], italian, words_for(italian, ("de",)))[0]["language"] == "de"


def test_limits_are_translated_by_their_titles(tmp_path: Path) -> None:
    limited = WORDED + '[fields.noise]\ntype = "number"\nlimits = [{ value = 55, title = "Limit" }]\n'
    french = '[languages.fr]\ntitle = "Bancs"\nfields.noise.limits = { %s = "Limite" }'
    layer = in_language(read(tmp_path, limited + french % "Limit"), ("fr",))
    assert [(limit.value, limit.title) for limit in layer.fields["noise"].limits] == [(55, "Limite")]
    with pytest.raises(CatalogError, match="titles of its own limits; got 'Limits'; did you mean"):
        read(tmp_path, limited + french % "Limits")


def test_a_file_without_a_language_is_served_as_it_is_to_everybody(tmp_path: Path) -> None:
    layer = read(tmp_path, WORDED.replace('language = "en"', ""))
    assert in_language(layer, ("fr",)) == layer


@pytest.mark.parametrize(
    ("text", "key", "expected"),
    [
        (BENCHES + 'label = "name"', "label", "declared field; got 'name'"),
        (WORDED.replace("{placed}", "{palced}"), "label", "did you mean 'placed'?"),
        (WORDED.replace("{wood}, {placed}", "A bench"), "label", "in braces"),
        (WORDED.replace('nouns = "benches"', ""), "nouns", 'nouns = "trees"'),
        (WORDED.replace('language = "en"', 'language = "English"'), "language", "a language tag such as en"),
        (
            WORDED.replace('language = "en"', "") + "[languages.fr]\ntitle = 'Bancs'",
            "language",
            "there are [languages]",
        ),
        (WORDED + "[languages.fr]\nnoun = 'banc'", "languages.fr.title", "required"),
        (WORDED + "[languages.fr]\ntitle = 'Bancs'\nnoun = 'banc'", "languages.fr.nouns", "many"),
        (WORDED + "[languages.fr]\ntitle = 'B'\ntheme_ = 'C'", "languages.fr.theme_", "did you mean 'theme'?"),
        (WORDED + "[languages.French]\ntitle = 'Bancs'", "languages.French", "fr or pt-BR"),
        (WORDED + "[languages.EN]\ntitle = 'Seats'", "languages.EN", "another language"),
        (WORDED + "[languages.fr]\ntitle = 'B'\nfields.wod.title = 'Bois'", "languages.fr.fields.wod", "mean 'wood'?"),
        (WORDED + "[languages.fr]\ntitle = 'B'\nfields.wood.titel = 'C'", "languages.fr.fields.wood.titel", "'title'?"),
        (WORDED + "[languages.fr]\ntitle = 'B'\nlabel = '{bois}'", "languages.fr.label", "declared field"),
        (
            WORDED + "[languages.fr]\ntitle = 'B'\nfields.wood.labels = { Oak = 'C' }",
            "languages.fr.fields.wood.labels",
            "did you mean 'oak'?",
        ),
        (BENCHES.replace("Benches", " \u00a0"), "title", "nothing but blanks"),
        (BENCHES.replace("Benches", "Ben\\u0000ches"), "title", "a text without the sign \\u0000"),
        (BENCHES.replace("Benches", "Ben\\u001bches"), "title", "got U+001B"),
        (BENCHES.replace("Benches", "\u202eBenches"), "title", "got U+202E at character 1"),
        (BENCHES.replace("Benches", "\u2068Ben\u2069\u2067ches"), "title", "an end (U+2069)"),
        (BENCHES.replace("Benches", "B" * 201), "title", "at most 200 characters; got 201"),
        (WORDED.replace("{placed}", "{placed}" * 100), "label", "at most 500 characters"),
        (WORDED.replace('"benches"', '"\u202abenches"'), "nouns", "got U+202A"),
        (
            WORDED + "[languages.fr]\ntitle = 'B'\nfields.wood.title = '\u202dC'",
            "languages.fr.fields.wood.title",
            "U+202D",
        ),
        (
            WORDED + "[languages.fr]\ntitle = 'B'\nfields.wood.labels = { oak = 'C\u009b' }",
            "languages.fr.fields.wood.labels.oak",
            "got U+009B",
        ),
        (WORDED + "[languages.fr]\ntitle = 'B'\n[languages.FR]\ntitle = 'C'", "languages.FR", "than fr, which"),
        (BENCHES + "[fields.constructor]\ntype = 'text'", "fields.constructor", "in a browser everything"),
        (BENCHES.replace('title = "Benches"', 'title = { en = "Benches" }'), "title", "[languages.fr]"),
    ],
)
def test_a_mistake_in_words_names_key_and_what_was_expected(tmp_path: Path, text: str, key: str, expected: str) -> None:
    with pytest.raises(CatalogError) as caught:
        read(tmp_path, text)
    assert caught.value.key == key
    assert expected in caught.value.expected


def test_html_braces_and_every_script_are_words_like_others(tmp_path: Path) -> None:
    for title in (
        "</script><!-- <b>&amp;",
        "{name} {{x}} ${y} %s",
        "حديقة",
        "\u2067\u0634\u2069 1",
        "🌳👩‍👩‍👧",
        "a\nb",
    ):
        written = title.replace("\n", "\\n")
        assert read(tmp_path, BENCHES.replace("Benches", written)).title == title


def test_no_value_turns_the_words_beside_it_in_a_title(tmp_path: Path) -> None:
    layer = read(tmp_path, WORDED.replace("{wood}, {placed}", "{wood} ({placed})"))
    assert title_feature(layer, {"wood": "\u202eko\u2066", "placed": "2020-01-02"}) == "ko (2020-01-02)"


def test_a_layer_is_not_named_like_what_every_object_of_a_browser_has(tmp_path: Path) -> None:
    (tmp_path / "constructor.toml").write_text(BENCHES, encoding="utf-8")
    with pytest.raises(CatalogError, match="another file name"):
        read_layer(tmp_path / "constructor.toml")


def test_a_legend_s_word_that_the_style_does_not_say_is_named(tmp_path: Path) -> None:
    sample = assets.root("layers") / "air-quality.toml"
    (tmp_path / "layers").mkdir()
    text = sample.read_text(encoding="utf-8").replace('"No recent value" = "Pas', '"No recent valeu" = "Pas')
    (tmp_path / "layers" / "air-quality.toml").write_text(text, encoding="utf-8")
    catalog = read_catalog(Settings(workspace=tmp_path, database_url=None))
    (problem,) = [error for error in styling.check(catalog) if "legend" in error.key]
    assert problem.key == "languages.fr.legend"
    assert problem.expected.endswith("got 'No recent valeu'; did you mean 'No recent value'?")


@pytest.mark.parametrize(
    ("header", "picked"),
    [
        ("fr", "fr"),
        ("FR-ch, en", "fr"),
        ("pt", "pt-BR"),
        ("pt-PT", "pt-BR"),
        ("it, de;q=0.2, fr;q=0.9", "fr"),
        ("de;q=0, en", ""),
        ("", ""),
        ("*", ""),
    ],
)
def test_readers_get_the_offered_language_that_they_like_best(header: str, picked: str) -> None:
    wanted, vary = choose_languages(None, [header])
    assert (pick_language(wanted, ["de", "fr", "pt-BR"]), vary) == (picked, {"Vary": "Accept-Language"})
