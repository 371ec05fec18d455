"""The shape of the label file, as SQL, and the steps that bring an older file up to date.

One file holds everything that people were shown and everything that they answered. Labels are only ever added:
two triggers refuse to change or delete one, so no bug in the course can lose a label. Taking an answer back adds a
row to `undos`. What turns out to be damaged is named in `set_aside` and left out of the view; it is not removed.

Taught in lesson 04.
"""

import sqlite3
from collections.abc import Iterator

from course_lib.errors import CourseError

# Version 1. A question shows two to five items side by side; `shown` lists them from left to right, in an order drawn
# at random once. A question about two items implies one pair, a ranking of k items k(k-1)/2 pairs.
FIRST = """
CREATE TABLE meta(key TEXT PRIMARY KEY, value TEXT NOT NULL);

CREATE TABLE items(                               -- one clip or one text: never changed, named by its content
  item_id TEXT PRIMARY KEY,                       -- sha256 of kind, mime, media and arrays
  kind TEXT NOT NULL CHECK(kind IN ('clip', 'text')),
  mime TEXT NOT NULL,
  media BLOB NOT NULL,                            -- what the person sees: a sheet of frames (PNG), or UTF-8 text
  arrays BLOB,                                    -- what the reward model sees: observations and actions (npz), or NULL
  info TEXT NOT NULL,                             -- JSON: fps, frames, width, height, alt, and whatever the caller adds
  created_at REAL NOT NULL);

CREATE TABLE questions(
  question_id INTEGER PRIMARY KEY,
  question_key TEXT NOT NULL UNIQUE,              -- sha256 of run, prompt and items: asking twice is asking once
  run TEXT NOT NULL,
  round INTEGER NOT NULL,
  prompt TEXT NOT NULL,
  shown TEXT NOT NULL,                            -- JSON: item ids from left to right
  priority REAL NOT NULL,                         -- larger is asked earlier
  repeat_of INTEGER REFERENCES questions,         -- asked again with the sides swapped, to see whether one agrees
  only_for TEXT,                                  -- with one's own earlier answer: so a repeat is for one labeller
  created_at REAL NOT NULL,
  leased_by TEXT, leased_until REAL);             -- who has it on screen now, so that two notebooks show two pairs

CREATE TABLE pairs(
  pair_id INTEGER PRIMARY KEY,
  question_id INTEGER NOT NULL REFERENCES questions,
  item_1 TEXT NOT NULL REFERENCES items,          -- sigma^1 of Christiano et al. (2017)
  item_2 TEXT NOT NULL REFERENCES items,          -- sigma^2
  flip INTEGER NOT NULL CHECK(flip IN (0, 1)),    -- 1: item_1 stands to the right of item_2
  CHECK(item_1 <> item_2));

CREATE TABLE labels(
  label_id INTEGER PRIMARY KEY,
  event_id TEXT NOT NULL,                         -- made where the answer was given, so that sending it twice is safe;
  pair_id INTEGER NOT NULL REFERENCES pairs,      -- the pairs of one ranking share it
  choice TEXT NOT NULL CHECK(choice IN ('left', 'right', 'equal', 'skip')),
  flip INTEGER NOT NULL CHECK(flip IN (0, 1)),    -- as the pair stood when this person saw it
  confidence INTEGER CHECK(confidence BETWEEN 1 AND 9),    -- 1: left, surely; 5: equal; 9: right, surely
  labeler TEXT NOT NULL,
  source TEXT NOT NULL CHECK(source IN ('human', 'scripted')),
  session TEXT,
  shown_at REAL, answered_at REAL NOT NULL, saved_at REAL NOT NULL,    -- seconds since 1970
  response_ms INTEGER,                            -- from drawn to answered, by a clock that never jumps
  plays INTEGER,                                  -- how often the clips had run through
  UNIQUE(event_id, pair_id));

CREATE TABLE undos(
  undo_id TEXT PRIMARY KEY,
  event_id TEXT NOT NULL UNIQUE,                  -- the answer taken back
  saved_at REAL NOT NULL);

CREATE TABLE set_aside(                           -- damaged rows, and answers that could not be filed
  what TEXT NOT NULL CHECK(what IN ('item', 'question', 'label', 'answer')),
  key TEXT NOT NULL,
  reason TEXT NOT NULL,
  content TEXT,                                   -- JSON of an answer that has no row elsewhere
  found_at REAL NOT NULL,
  PRIMARY KEY(what, key));

CREATE INDEX questions_to_ask ON questions(run, priority DESC, question_id);
CREATE INDEX pairs_of_question ON pairs(question_id);
CREATE INDEX labels_of_pair ON labels(pair_id, labeler);

CREATE TRIGGER labels_never_change BEFORE UPDATE ON labels
  BEGIN SELECT RAISE(ABORT, 'a label is never changed: take it back and answer again'); END;
CREATE TRIGGER labels_never_vanish BEFORE DELETE ON labels
  BEGIN SELECT RAISE(ABORT, 'a label is never deleted: take it back instead'); END;
CREATE TRIGGER undos_never_change BEFORE UPDATE ON undos
  BEGIN SELECT RAISE(ABORT, 'an undo is never changed'); END;
CREATE TRIGGER undos_never_vanish BEFORE DELETE ON undos
  BEGIN SELECT RAISE(ABORT, 'an undo is never deleted'); END;

CREATE VIEW live_labels AS                        -- not taken back, not damaged
  SELECT labels.*, question_id, run, round, prompt, item_1, item_2, repeat_of
  FROM labels JOIN pairs USING(pair_id) JOIN questions USING(question_id)
  WHERE NOT EXISTS(SELECT 1 FROM undos WHERE undos.event_id = labels.event_id)
    AND NOT EXISTS(SELECT 1 FROM set_aside WHERE what = 'label' AND key = CAST(label_id AS TEXT))
    AND NOT EXISTS(SELECT 1 FROM set_aside WHERE what = 'question' AND key = CAST(question_id AS TEXT));

CREATE TRIGGER one_live_answer BEFORE INSERT ON labels
  WHEN EXISTS(SELECT 1 FROM live_labels WHERE pair_id = NEW.pair_id AND labeler = NEW.labeler)
  BEGIN SELECT RAISE(ABORT, 'this labeller has already answered this pair'); END;

-- Christiano et al. (2017), section 2.2.2: triples (sigma1, sigma2, mu); "equal" puts half on each, "skip" stays out.
-- weight is 1 unless the labeller said how sure they were: then 1/4 (barely) to 1 (surely); ties keep weight 1.
-- question_id is the pair's group: a split that keeps groups together never tests on a ranking that it trained on.
CREATE VIEW preferences AS
  SELECT run, round, prompt, item_1 AS sigma1, item_2 AS sigma2,
         CASE WHEN choice = 'equal' THEN 0.5 WHEN (choice = 'left') = (flip = 0) THEN 1.0 ELSE 0.0 END AS mu,
         CASE WHEN confidence IS NULL OR confidence = 5 THEN 1.0 ELSE ABS(confidence - 5) / 4.0 END AS weight,
         confidence, question_id AS "group", labeler, source, answered_at, response_ms, pair_id, event_id
  FROM live_labels WHERE choice <> 'skip' AND repeat_of IS NULL;
"""

# Version 2. Why an answer was taken back, where the person did not simply undo it.
SECOND = """
ALTER TABLE undos ADD COLUMN reason TEXT;
"""

MIGRATIONS = (FIRST, SECOND)       # the step at index n brings version n to version n + 1; a step is never edited


def migrate(connection: sqlite3.Connection, steps: tuple[str, ...] = MIGRATIONS) -> None:
    """Bring the file to the newest version, all steps or none; two processes may try it at once.

    Raises `CourseError` for a file that a newer course wrote.
    """
    if _version(connection) == len(steps):
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        version = _version(connection)                     # again: another process may have been first
        if version > len(steps):
            raise CourseError(f"This label file has version {version}, and this course knows versions up to "
                              f"{len(steps)}. Update the course; the labels are safe.")
        for step in steps[version:]:
            for statement in statements(step):
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {len(steps)}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def statements(script: str) -> Iterator[str]:
    """The statements of a script one by one, so that they run inside one transaction (`executescript` would end it)."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""


def _version(connection: sqlite3.Connection) -> int:
    return connection.execute("PRAGMA user_version").fetchone()[0]
