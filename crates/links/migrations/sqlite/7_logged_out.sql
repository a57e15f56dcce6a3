-- Sessions that were ended before their time, until that has come.

CREATE TABLE logged_out (
    session BLOB    NOT NULL PRIMARY KEY,
    expires INTEGER NOT NULL
) WITHOUT ROWID;

CREATE INDEX logged_out_expires ON logged_out (expires);
