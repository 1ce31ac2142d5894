-- Who may come in (keys, sessions), how often they came (uses), and who managed or wrote what (audit). Nothing in here
-- opens a door: keys and sessions are kept as the SHA-256 of 256 random bits.

CREATE TABLE geoserver.keys (
    id         text PRIMARY KEY,  -- names the key in lists and says nothing of it
    digest     bytea NOT NULL UNIQUE CHECK (length(digest) = 32),
    label      text NOT NULL,
    grants     jsonb NOT NULL,  -- [{"layers": [...], "may": [...], "rows": "CQL2", "fields": [...]}, ...]
    rate       integer CHECK (rate > 0),  -- requests a minute; null: as many as it likes
    quota      integer CHECK (quota > 0),  -- requests a day (UTC); null: as many as it likes
    created_at timestamptz NOT NULL DEFAULT now(),
    created_by text NOT NULL,
    expires_at timestamptz,
    revoked_at timestamptz,
    changed    xid8 NOT NULL DEFAULT pg_current_xact_id()
);
CREATE INDEX keys_changed ON geoserver.keys (changed);

-- Someone who signed in, with a key or as a person of some groups.
CREATE TABLE geoserver.sessions (
    digest     bytea PRIMARY KEY CHECK (length(digest) = 32),
    key        text REFERENCES geoserver.keys ON DELETE CASCADE,  -- null for a person
    subject    text NOT NULL,
    name       text NOT NULL,
    groups     text[] NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    ended_at   timestamptz,
    changed    xid8 NOT NULL DEFAULT pg_current_xact_id()
);
CREATE INDEX sessions_changed ON geoserver.sessions (changed);
CREATE INDEX sessions_key ON geoserver.sessions (key);
CREATE INDEX sessions_expires ON geoserver.sessions (expires_at);

-- Requests of the last day on which a key was used; of keys that are gone, too, and so without a reference.
CREATE TABLE geoserver.uses (
    key      text PRIMARY KEY,
    day      date NOT NULL,
    requests bigint NOT NULL,
    last_at  timestamptz NOT NULL
);

CREATE TABLE geoserver.audit (
    id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at      timestamptz NOT NULL DEFAULT now(),
    subject text NOT NULL,  -- key:ID, person:SUBJECT or command:USER
    name    text NOT NULL,
    action  text NOT NULL,
    layer   text,
    details jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX audit_at ON geoserver.audit (at);

-- Every change is stamped with its transaction, so that readers can ask for what is newer than what they know, and is
-- told on the channel: 'changed', or 'gone' when rows went that no stamp can tell of.
CREATE FUNCTION geoserver.stamp_access() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    NEW.changed := pg_current_xact_id();
    RETURN NEW;
END
$$;
CREATE FUNCTION geoserver.tell_access() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    PERFORM pg_notify('geoserver_access', CASE WHEN TG_OP IN ('DELETE', 'TRUNCATE') THEN 'gone' ELSE 'changed' END);
    RETURN NULL;
END
$$;
CREATE TRIGGER stamp BEFORE INSERT OR UPDATE ON geoserver.keys
    FOR EACH ROW EXECUTE FUNCTION geoserver.stamp_access();
CREATE TRIGGER stamp BEFORE INSERT OR UPDATE ON geoserver.sessions
    FOR EACH ROW EXECUTE FUNCTION geoserver.stamp_access();
CREATE TRIGGER tell AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON geoserver.keys
    FOR EACH STATEMENT EXECUTE FUNCTION geoserver.tell_access();
CREATE TRIGGER tell AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON geoserver.sessions
    FOR EACH STATEMENT EXECUTE FUNCTION geoserver.tell_access();
