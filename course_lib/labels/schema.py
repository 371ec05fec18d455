"""The shape of the label file, as SQL, and the steps that bring an older file up to date.

One file holds everything that people were shown and everything that they answered. Labels are only ever added:
two triggers refuse to change or delete one, so no bug in the course can lose a label. Taking an answer back adds a
row to `undos`. What turns out to be damaged is named in `set_aside` and left out of the view; it is not removed.

Three tables only repeat what the others say, so that nobody has to count 200,000 labels to show the next pair:
`answers`, `tallies` and `runs`. Triggers keep them; check.py makes them anew where they do not agree.

Taught in lesson 04.
"""

import sqlite3
from collections.abc import Callable, Iterator

from course_lib.errors import CourseError
from course_lib.labels.fingerprints import label_seal

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

# Version 3. A label says for itself what was asked and seals all that it holds (fingerprints.py), so that damage shows
# and a lost question can be made again. Counts are kept instead of counted. Imported labels keep weight and group.
LIVE_ANSWERS = """
  SELECT question_id, labeler, run, MIN(MIN(label_id, COALESCE(
           (SELECT MIN(first.label_id) FROM labels first JOIN undos USING(event_id)
             WHERE first.pair_id = live_labels.pair_id AND first.labeler = live_labels.labeler
               AND undos.reason = 'changed in the review'), label_id))),
         CASE WHEN json_valid(shown) AND json_array_length(shown) > 2 THEN 'rankings' ELSE choice END, source,
         repeat_of IS NOT NULL
  FROM live_labels"""

COUNTED = f"""
INSERT INTO answers {LIVE_ANSWERS} GROUP BY question_id, labeler;
INSERT INTO tallies SELECT run, labeler, repeated, answer, source, COUNT(*) FROM answers
  GROUP BY run, labeler, repeated, answer, source;
UPDATE questions SET answered_by = (SELECT COUNT(*) FROM answers WHERE answers.question_id = questions.question_id);
INSERT INTO runs SELECT run, SUM(repeat_of IS NULL), SUM(repeat_of IS NULL AND answered_by = 0), MAX(round)
  FROM questions GROUP BY run;
"""

THIRD = f"""
DROP TRIGGER labels_never_change;
DROP TRIGGER one_live_answer;
DROP VIEW preferences;
DROP VIEW live_labels;

ALTER TABLE labels ADD COLUMN weight REAL CHECK(weight > 0);       -- of an imported label; NULL: from the confidence
ALTER TABLE labels ADD COLUMN asked TEXT;                          -- JSON: the question, its sides, this label's pair
ALTER TABLE labels ADD COLUMN seal TEXT;                           -- a hash of all the rest of the row
ALTER TABLE questions ADD COLUMN group_key TEXT;                   -- what belonged together where it was imported from
ALTER TABLE questions ADD COLUMN group_id INTEGER;                 -- the first question here of that group
ALTER TABLE questions ADD COLUMN answered_by INTEGER NOT NULL DEFAULT 0;     -- how many people's answers count

UPDATE labels SET asked = (
  SELECT json_object('question', questions.question_id, 'key', questions.question_key, 'run', questions.run,
                     'round', questions.round, 'prompt', questions.prompt, 'shown', json(questions.shown),
                     'pair', json_array(item_1, item_2), 'repeat_of', original.question_key,
                     'only_for', questions.only_for, 'priority', questions.priority, 'group', NULL)
  FROM pairs JOIN questions USING(question_id) LEFT JOIN questions original
    ON original.question_id = questions.repeat_of
  WHERE pairs.pair_id = labels.pair_id AND json_valid(questions.shown));
UPDATE labels SET seal = label_seal(event_id, choice, flip, confidence, labeler, source, session, shown_at,
                                    answered_at, saved_at, response_ms, plays, weight, asked)
  WHERE asked IS NOT NULL;

CREATE TRIGGER labels_never_change BEFORE UPDATE ON labels
  BEGIN SELECT RAISE(ABORT, 'a label is never changed: take it back and answer again'); END;

CREATE VIEW live_labels AS                        -- not taken back, not damaged
  SELECT labels.*, question_id, run, round, prompt, item_1, item_2, repeat_of, shown, group_id,
         question_key, group_key
  FROM labels JOIN pairs USING(pair_id) JOIN questions USING(question_id)
  WHERE NOT EXISTS(SELECT 1 FROM undos WHERE undos.event_id = labels.event_id)
    AND NOT EXISTS(SELECT 1 FROM set_aside WHERE what = 'label' AND key = CAST(label_id AS TEXT))
    AND NOT EXISTS(SELECT 1 FROM set_aside WHERE what = 'question' AND key = CAST(question_id AS TEXT));

CREATE VIEW preferences AS                        -- as in version 1; an imported label has its own weight and group
  SELECT run, round, prompt, item_1 AS sigma1, item_2 AS sigma2,
         CASE WHEN choice = 'equal' THEN 0.5 WHEN (choice = 'left') = (flip = 0) THEN 1.0 ELSE 0.0 END AS mu,
         COALESCE(weight, CASE WHEN confidence IS NULL OR confidence = 5 THEN 1.0
                               ELSE ABS(confidence - 5) / 4.0 END) AS weight,
         confidence, COALESCE(group_id, question_id) AS "group", labeler, source, answered_at, response_ms, pair_id,
         event_id
  FROM live_labels WHERE choice <> 'skip' AND repeat_of IS NULL;

CREATE TABLE answers(                             -- who has answered what: a row for each question and person
  question_id INTEGER NOT NULL, labeler TEXT NOT NULL, run TEXT NOT NULL,
  label_id INTEGER NOT NULL,                      -- of what they said first
  answer TEXT NOT NULL,                           -- the choice, or 'rankings'
  source TEXT NOT NULL, repeated INTEGER NOT NULL,
  PRIMARY KEY(question_id, labeler)) WITHOUT ROWID;
CREATE TABLE tallies(                             -- how many rows of `answers` there are of each kind
  run TEXT NOT NULL, labeler TEXT NOT NULL, repeated INTEGER NOT NULL, answer TEXT NOT NULL, source TEXT NOT NULL,
  number INTEGER NOT NULL, PRIMARY KEY(run, labeler, repeated, answer, source)) WITHOUT ROWID;
CREATE TABLE runs(                                -- repeated questions are not counted
  run TEXT PRIMARY KEY, questions INTEGER NOT NULL, unanswered INTEGER NOT NULL, latest_round INTEGER NOT NULL)
  WITHOUT ROWID;

{COUNTED}

CREATE INDEX answers_in_order ON answers(run, labeler, repeated, label_id, answer, source);
CREATE INDEX questions_unanswered ON questions(run, priority DESC, question_id)
  WHERE answered_by = 0 AND repeat_of IS NULL;
CREATE INDEX questions_shared ON questions(run, question_id) WHERE answered_by > 1;
CREATE INDEX questions_leased ON questions(leased_by) WHERE leased_by IS NOT NULL;
CREATE INDEX questions_asked_again ON questions(run, only_for, repeat_of) WHERE repeat_of IS NOT NULL;
CREATE INDEX repeats_unanswered ON questions(run, only_for, question_id)
  WHERE answered_by = 0 AND repeat_of IS NOT NULL;
CREATE INDEX questions_of_group ON questions(run, group_key) WHERE group_key IS NOT NULL;

CREATE TRIGGER question_comes AFTER INSERT ON questions
  BEGIN
    INSERT INTO runs VALUES(NEW.run, NEW.repeat_of IS NULL, NEW.repeat_of IS NULL, NEW.round)
      ON CONFLICT(run) DO UPDATE SET questions = questions + excluded.questions,
        unanswered = unanswered + excluded.unanswered, latest_round = MAX(latest_round, excluded.latest_round);
  END;
CREATE TRIGGER question_answered AFTER UPDATE OF answered_by ON questions
  WHEN NEW.repeat_of IS NULL AND (OLD.answered_by = 0) <> (NEW.answered_by = 0)
  BEGIN UPDATE runs SET unanswered = unanswered + (NEW.answered_by = 0) - (OLD.answered_by = 0)
    WHERE run = NEW.run; END;
CREATE TRIGGER answer_comes AFTER INSERT ON answers
  BEGIN
    INSERT INTO tallies VALUES(NEW.run, NEW.labeler, NEW.repeated, NEW.answer, NEW.source, 1)
      ON CONFLICT(run, labeler, repeated, answer, source) DO UPDATE SET number = number + 1;
    UPDATE questions SET answered_by = answered_by + 1 WHERE question_id = NEW.question_id;
  END;
CREATE TRIGGER answer_goes AFTER DELETE ON answers
  BEGIN
    UPDATE tallies SET number = number - 1 WHERE run = OLD.run AND labeler = OLD.labeler
      AND repeated = OLD.repeated AND answer = OLD.answer AND source = OLD.source;
    UPDATE questions SET answered_by = answered_by - 1 WHERE question_id = OLD.question_id;
  END;

CREATE TRIGGER one_live_answer BEFORE INSERT ON labels
  WHEN EXISTS(SELECT 1 FROM live_labels WHERE pair_id = NEW.pair_id AND labeler = NEW.labeler)
    AND NOT EXISTS(SELECT 1 FROM undos WHERE undos.event_id = NEW.event_id)
  BEGIN SELECT RAISE(ABORT, 'this labeller has already answered this pair'); END;
CREATE TRIGGER label_comes AFTER INSERT ON labels
  WHEN NOT EXISTS(SELECT 1 FROM answers JOIN pairs USING(question_id)
                  WHERE pair_id = NEW.pair_id AND labeler = NEW.labeler)
  BEGIN
    INSERT INTO answers {LIVE_ANSWERS} WHERE label_id = NEW.label_id GROUP BY question_id, labeler;
  END;
CREATE TRIGGER undo_comes AFTER INSERT ON undos
  BEGIN
    DELETE FROM answers WHERE question_id IN (
      SELECT question_id FROM labels JOIN pairs USING(pair_id) WHERE event_id = NEW.event_id);
    INSERT INTO answers {LIVE_ANSWERS} WHERE question_id IN (
      SELECT question_id FROM labels JOIN pairs USING(pair_id) WHERE event_id = NEW.event_id)
      GROUP BY question_id, labeler;
  END;
CREATE TRIGGER question_set_aside AFTER INSERT ON set_aside WHEN NEW.what = 'question'
  BEGIN DELETE FROM answers WHERE question_id = CAST(NEW.key AS INTEGER); END;
CREATE TRIGGER label_set_aside AFTER INSERT ON set_aside WHEN NEW.what = 'label'
  BEGIN
    DELETE FROM answers WHERE question_id IN (
      SELECT question_id FROM labels JOIN pairs USING(pair_id) WHERE label_id = CAST(NEW.key AS INTEGER));
    INSERT INTO answers {LIVE_ANSWERS} WHERE question_id IN (
      SELECT question_id FROM labels JOIN pairs USING(pair_id) WHERE label_id = CAST(NEW.key AS INTEGER))
      GROUP BY question_id, labeler;
  END;
"""

MIGRATIONS = (FIRST, SECOND, THIRD)        # the step at index n brings version n to version n + 1; never edited


def migrate(connection: sqlite3.Connection, steps: tuple[str, ...] = MIGRATIONS,
            before: Callable[[], object] = lambda: None) -> None:
    """Bring the file to the newest version, all steps or none; two processes may try it at once.

    before: called once before an older file that holds something is changed, for instance to keep a copy of it.
    Raises `CourseError` for a file that a newer course wrote, or whose version is lost.
    """
    if version(connection) == len(steps):
        return
    if 0 < version(connection) < len(steps):
        before()
    connection.execute("BEGIN IMMEDIATE")
    try:
        found = version(connection)                        # again: another process may have been first
        if found > len(steps):
            raise CourseError(f"This label file has version {found}, and this course knows versions up to "
                              f"{len(steps)}. Update the course; the labels are safe.")
        if found == 0 and table_names(connection):
            raise CourseError("This label file has lost the number of its version. Run `course labels check` in a "
                              "terminal: it reads the labels into a new file and keeps this one.")
        connection.create_function("label_seal", -1, label_seal, deterministic=True)
        for step in steps[found:]:
            for statement in statements(step):
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {len(steps)}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def count_again(connection: sqlite3.Connection) -> None:
    """Make the tables that only repeat what the others say anew, from the labels."""
    kept = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
    for name, _ in kept:                           # they would count along
        connection.execute(f'DROP TRIGGER "{name}"')
    for statement in ("DELETE FROM answers;", "DELETE FROM tallies;", "DELETE FROM runs;", *statements(COUNTED)):
        connection.execute(statement)
    for _, sql in kept:
        connection.execute(sql)


def statements(script: str) -> Iterator[str]:
    """The statements of a script one by one, so that they run inside one transaction (`executescript` would end it)."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""


def table_names(connection: sqlite3.Connection) -> set[str]:
    """The names of the file's tables."""
    return {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}


def version(connection: sqlite3.Connection) -> int:
    """The version of the file's shape; 0 for a new file."""
    return connection.execute("PRAGMA user_version").fetchone()[0]
