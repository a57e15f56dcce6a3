-- Sessions that were ended before their time, until that has come.

CREATE TABLE logged_out (
    session BYTEA  NOT NULL PRIMARY KEY,
    expires BIGINT NOT NULL
);

CREATE INDEX logged_out_expires ON logged_out (expires);
