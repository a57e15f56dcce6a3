-- By the fences it is known whether anybody had the lock of a user since an entry was opened: recovery, which has the lock
-- itself, compares that of the entry with the one that was granted before its own.

ALTER TABLE journal ADD COLUMN fence INTEGER;
ALTER TABLE locks ADD COLUMN previous INTEGER; -- the fence before, where one is known
