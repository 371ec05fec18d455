"""What the label file says: counts, preferences, labels, questions, items. store.py adds to it. Taught in lesson 04."""

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence

from course_lib.labels.label_file import LabelFile
from course_lib.labels.records import Counts, Item, Label, Preference, Question


class LabelReader(LabelFile):
    """The methods of a `PreferenceStore` that only read."""

    def counts(self, run: str, labelers: Iterable[str]) -> Counts:
        """How many questions of the run these labellers have answered, together, and how."""
        names = sorted(set(labelers))
        marks = ", ".join("?" * len(names))
        number = dict.fromkeys(("left", "right", "equal", "skip", "rankings"), 0)
        found = self._connection.execute(
            f"SELECT labeler, answer, SUM(number) AS number FROM tallies WHERE run = ? AND labeler IN ({marks})"
            " AND repeated = 0 GROUP BY labeler, answer", (run, *names)).fetchall()
        for row in found:
            number[row["answer"]] += row["number"]
        if len({row["labeler"] for row in found if row["number"]}) > 1:      # what two of them said counts once
            for row in self._connection.execute(
                    "SELECT answer, COUNT(*) - COUNT(DISTINCT question_id) AS twice FROM answers"
                    " JOIN questions INDEXED BY questions_shared USING(question_id) WHERE questions.run = ?"
                    f" AND answered_by > 1 AND repeated = 0 AND labeler IN ({marks}) GROUP BY answer", (run, *names)):
                number[row["answer"]] -= row["twice"]
        total = self._one("SELECT questions FROM runs WHERE run = ?", run)
        return Counts(total=total[0] if total else 0, **number)

    def sources(self, run: str, labelers: Sequence[str], round: int) -> list[dict]:
        """What these labellers answered, by source, in the rounds up to this one and after it; repeats are left out.

        `[{"source": "human", "later": 0 or 1, "answers": 12, "preferences": 11}, ...]`: a skip is no preference.
        """
        return [dict(row) for row in self._connection.execute(
            "SELECT source, round > ? AS later, COUNT(DISTINCT question_id) AS answers,"
            " COUNT(DISTINCT CASE WHEN choice <> 'skip' THEN question_id END) AS preferences FROM live_labels"
            f" WHERE run = ? AND labeler IN ({', '.join('?' * len(labelers))}) AND repeat_of IS NULL"
            " GROUP BY source, later", (round, run, *labelers))]

    def preferences(self, run: str, labelers: Iterable[str] | None = None) -> list[Preference]:
        """All preferences of the run in the order they were given: skips, undone answers and repeats are left out."""
        names = None if labelers is None else set(labelers)
        chosen = [row for row in self.preference_rows(run) if names is None or row["labeler"] in names]
        items = {name: self.item(name) for row in chosen for name in (row["sigma1"], row["sigma2"])}
        return [Preference(items[row["sigma1"]], items[row["sigma2"]], row["mu"], row["weight"], row["group"],
                           row["prompt"], row["labeler"], row["source"]) for row in chosen]

    def preference_rows(self, run: str) -> list[dict]:
        """The run's preferences as plain rows: the columns of the view `preferences` (schema.py), and question_key."""
        return [dict(row) for row in self._connection.execute(
            "SELECT preferences.*, question_key FROM preferences JOIN questions ON question_id = \"group\""
            " WHERE preferences.run = ? ORDER BY answered_at, pair_id", (run,))]

    def shared_preferences(self, run: str) -> dict[tuple[str, int], float]:
        """mu by (labeler, pair_id), for the pairs of the run that several people have answered."""
        return {(row["labeler"], row["pair_id"]): row["mu"] for row in self._connection.execute(
            "SELECT labeler, pair_id, mu FROM preferences WHERE pair_id IN (SELECT pair_id FROM questions INDEXED BY"
            " questions_shared JOIN pairs USING(question_id) WHERE run = ? AND answered_by > 1)", (run,))}

    def choices(self, run: str) -> list[tuple[str, str, int]]:
        """(labeler, choice, how often) in the run, repeats left out; each pair of a ranking counts."""
        single = self._connection.execute("SELECT labeler, answer, SUM(number) FROM tallies WHERE run = ? AND repeated"
                                          " = 0 AND answer <> 'rankings' AND number GROUP BY labeler, answer", (run,))
        ranked = self._connection.execute("SELECT labeler, choice, COUNT(*) FROM live_labels WHERE question_id IN"
                                          " (SELECT question_id FROM answers WHERE run = ? AND answer = 'rankings')"
                                          " AND repeat_of IS NULL GROUP BY labeler, choice", (run,))
        return [tuple(row) for rows in (single, ranked) for row in rows]

    def response_times(self, run: str, labeler: str) -> list[int]:
        """Milliseconds of this person's answers in the run, where they were measured; repeats are left out."""
        return [row[0] for row in self._connection.execute(
            "SELECT response_ms FROM answers CROSS JOIN labels USING(label_id) WHERE run = ? AND answers.labeler = ?"
            " AND repeated = 0 AND response_ms IS NOT NULL", (run, labeler))]

    def text_preferences(self, run: str) -> Iterator[tuple]:
        """The run's preferences in the order of time: a row with all that can be exported, and both items' texts.

        A text is None where the item is a clip.
        """
        texts = dict(self._connection.execute("SELECT item_id, CAST(media AS TEXT) FROM items WHERE kind = 'text'"
                                              ).fetchall())
        rows = self._connection.execute(
            "SELECT CASE WHEN choice = 'equal' THEN 0.5 WHEN (choice = 'left') = (flip = 0) THEN 1.0 ELSE 0.0 END"
            " AS mu, weight, confidence, labeler, source, event_id, shown_at, answered_at, response_ms, plays, prompt,"
            " round,"
            " COALESCE(group_key, question_key) AS \"group\", item_1, item_2 FROM live_labels"
            " WHERE run = ? AND choice <> 'skip' AND repeat_of IS NULL"
            " ORDER BY answered_at, event_id, MIN(item_1, item_2), MAX(item_1, item_2)", (run,))
        for row in rows:
            yield row, texts.get(row["item_1"]), texts.get(row["item_2"])

    def labels(self, run: str, repeats: bool = False) -> list[Label]:
        """The run's answers as they were given, skips too, in the order of time; what was taken back is left out.

        A ranking has one label for each of its pairs. `repeats`: also the answers to pairs that were asked again.
        """
        rows = self._connection.execute(
            "SELECT question_id, pair_id, event_id, choice, flip, confidence, labeler, source, answered_at, response_ms"
            " FROM live_labels WHERE run = ? AND (? OR repeat_of IS NULL) ORDER BY answered_at, pair_id",
            (run, repeats))
        return [Label(**{**row, "flip": bool(row["flip"])}) for row in rows]

    def undone(self, run: str, labeler: str) -> int:
        """How many of their answers in the run this labeller has taken back."""
        return self._one("SELECT COUNT(DISTINCT event_id) FROM undos JOIN labels USING(event_id) JOIN pairs"
                         " USING(pair_id) JOIN questions USING(question_id) WHERE run = ? AND labeler = ?",
                         run, labeler)[0]

    def questions_of(self, run: str, round: int | None = None) -> list[int]:
        """The ids of the run's questions (of one round, or of all) in the order they were added, repeats left out."""
        return [row[0] for row in self._connection.execute(
            "SELECT question_id FROM questions WHERE run = ?1 AND round = COALESCE(?2, round) AND repeat_of IS NULL"
            " ORDER BY question_id", (run, round))]

    def answered_questions(self, run: str) -> set[int]:
        """The ids of the run's questions that anybody has answered, skips included and repeats left out."""
        return {row[0] for row in self._connection.execute(
            "SELECT DISTINCT question_id FROM answers WHERE run = ? AND repeated = 0", (run,))}

    def question(self, question_id: int) -> Question:
        """The question with its items; `KeyError` when there is none of this id."""
        row = self._one("SELECT * FROM questions WHERE question_id = ?", question_id)
        if row is None:
            raise KeyError(question_id)
        return Question(question_id, row["run"], row["round"], row["prompt"],
                        tuple(map(self.item, json.loads(row["shown"]))), row["repeat_of"])

    def item(self, name: str) -> Item:
        """The item of this id; `KeyError` when there is none."""
        row = self._one("SELECT * FROM items WHERE item_id = ?", name)
        if row is None:
            raise KeyError(name)
        return Item(name, row["kind"], row["mime"], json.loads(row["info"]), row["media"], row["arrays"])

    def runs(self) -> list[str]:
        """The names of all runs in the file."""
        return [row[0] for row in self._connection.execute("SELECT run FROM runs ORDER BY run")]

    def _one(self, query: str, *values: object) -> sqlite3.Row | None:
        return self._connection.execute(query, values).fetchone()
