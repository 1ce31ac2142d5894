-- Text as it is looked for: without capitals and marks, whatever the database's locale makes of letters. Plain ASCII,
-- which most text is, takes a tenth of the time. Both are one expression, which PostgreSQL puts in place of the call.
CREATE FUNCTION geoserver.fold_marked(t text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN (replace(replace(lower(translate(
    -- Letters are taken apart and lose their marks, those of Hebrew and Arabic too; those that are no letter with a mark
    -- have a sister without the stroke.
    regexp_replace(normalize(t, NFD),
        U&'[\0300-\036F\0591-\05BD\05BF\05C1\05C2\0640\064B-\065F\0670]', '', 'g'),
    'ØøŁłĐđĦħŦŧıŊŋ', 'OoLlDdHhTtiNn') COLLATE "und-x-icu"), 'ß', 'ss'), 'ς', 'σ') COLLATE "default");

CREATE FUNCTION geoserver.fold(t text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN octet_length(t) = length(t) THEN lower(t COLLATE "C") COLLATE "default"
            ELSE geoserver.fold_marked(t) END;

-- Words of the searched fields of each layer, as its last load found them: what a mistyped word may have been.
CREATE TABLE geoserver.words (
    layer text NOT NULL,
    word  text COLLATE "C" NOT NULL,  -- folded; letters alone
    PRIMARY KEY (layer, word)
);

-- Trigrams make searching quick, and it works without: an extension may be missing, or not ours to create.
DO $$
BEGIN
    CREATE EXTENSION IF NOT EXISTS pg_trgm SCHEMA public;
EXCEPTION WHEN OTHERS THEN
    RAISE NOTICE 'pg_trgm: %', SQLERRM;
END
$$;
DO $$
DECLARE
    found text := (SELECT format('%I.gin_trgm_ops', nspname) FROM pg_opclass JOIN pg_namespace AS n ON n.oid = opcnamespace
                    WHERE opcname = 'gin_trgm_ops' LIMIT 1);
BEGIN
    IF found IS NOT NULL THEN
        EXECUTE format('CREATE INDEX words_similar ON geoserver.words USING gin ((word COLLATE "default") %s)', found);
    END IF;
END
$$;
