-- Ids are compared byte by byte (BINARY, the default). Times are texts in RFC 3339.
-- AUTOINCREMENT: the number of a removed link is not given to another, so that pages keep their order.

CREATE TABLE users (
    link          INTEGER PRIMARY KEY AUTOINCREMENT,
    login         TEXT,
    created       TEXT,
    scope_dialect TEXT,
    scope_id      TEXT,
    CHECK ((scope_dialect IS NULL) = (scope_id IS NULL))
);

CREATE TABLE user_ids (
    dialect TEXT    NOT NULL,
    id      TEXT    NOT NULL,
    link    INTEGER NOT NULL REFERENCES users (link) ON DELETE CASCADE,
    PRIMARY KEY (dialect, id),
    UNIQUE (link, dialect)
) WITHOUT ROWID;

CREATE TABLE scopes (
    link INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT
);

CREATE TABLE scope_ids (
    dialect TEXT    NOT NULL,
    id      TEXT    NOT NULL,
    link    INTEGER NOT NULL REFERENCES scopes (link) ON DELETE CASCADE,
    level   TEXT CHECK (level IN ('unit', 'organisation')),
    name    TEXT,
    PRIMARY KEY (dialect, id),
    UNIQUE (link, dialect)
) WITHOUT ROWID;

-- The number to hand out next, by dialect and the first number of its range.
CREATE TABLE counters (
    dialect TEXT    NOT NULL,
    first   INTEGER NOT NULL,
    next    INTEGER NOT NULL,
    PRIMARY KEY (dialect, first)
) WITHOUT ROWID;
