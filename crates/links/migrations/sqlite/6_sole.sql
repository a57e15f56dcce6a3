-- The one owner that may keep locks in its memory, as long as it is the only one. The file beside the database, which it
-- has locked as long as it lives, is told by its device and number, so that no other is taken for it.

CREATE TABLE sole (
    one    INTEGER PRIMARY KEY CHECK (one = 1),
    owner  INTEGER,
    period INTEGER NOT NULL, -- grows each time that somebody becomes the one
    device INTEGER NOT NULL,
    inode  INTEGER NOT NULL
);

-- Nobody else is granted a lock then, by whatever statement of whatever version of the program.
CREATE TRIGGER locks_made BEFORE INSERT ON locks
WHEN NEW.owner IS NOT NULL AND EXISTS (SELECT 1 FROM sole WHERE owner <> NEW.owner)
BEGIN
    SELECT RAISE(IGNORE);
END;

CREATE TRIGGER locks_granted BEFORE UPDATE OF owner ON locks
WHEN NEW.owner IS NOT NULL AND EXISTS (SELECT 1 FROM sole WHERE owner <> NEW.owner)
BEGIN
    SELECT RAISE(IGNORE);
END;
