-- What is kept of writes while they are done. Times are milliseconds since 1970 by the database's clock.

CREATE VIEW clock AS SELECT CAST(unixepoch('subsec') * 1000 AS INTEGER) AS now;

-- Processes that write, and until when each counts as alive.
CREATE TABLE owners (
    owner INTEGER PRIMARY KEY AUTOINCREMENT,
    until INTEGER NOT NULL
);

-- A row is changed as a whole by one statement, so that nobody marks an entry that somebody else has taken over.
CREATE TABLE journal (
    entry     INTEGER PRIMARY KEY AUTOINCREMENT,
    owner     INTEGER NOT NULL,
    opened    INTEGER NOT NULL,
    request   TEXT    NOT NULL,
    upstream  TEXT    NOT NULL,
    user_id   TEXT,
    operation TEXT    NOT NULL,
    client    TEXT    NOT NULL,
    writes    TEXT    NOT NULL, -- in JSON, without bodies
    states    TEXT    NOT NULL, -- a letter each: not sent, sending, applied, refused, unknown, (taken) back
    bodies    BLOB,             -- sealed
    closed    INTEGER,
    ending    TEXT CHECK (ending IN ('done', 'refused', 'partial', 'resolved')),
    note      TEXT,
    CHECK ((closed IS NULL) = (ending IS NULL)),
    CHECK (closed IS NULL OR bodies IS NULL)
);

CREATE INDEX journal_open ON journal (entry) WHERE closed IS NULL;
CREATE INDEX journal_closed ON journal (closed) WHERE closed IS NOT NULL;
