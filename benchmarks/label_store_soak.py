"""Four notebooks label in one file while everything goes wrong, and at the end every acknowledged answer is counted.

    python benchmarks/label_store_soak.py --minutes 30

Four processes run a labeling session each, as notebook kernels do; a browser for each sends answers and undos, and
sends again what was not acknowledged. Meanwhile, drawn anew every second or so: a process is killed, its clock jumps by
hours (either way), its disk is full for a while, its disk is slow, `course labels check` and a backup run beside it. At
the end: nothing acknowledged is lost, nothing is doubled, the file is whole, and no answer took longer than
`LONGEST_SECONDS` in which the widget would have stood still. Results: benchmarks/results/label_store_soak.json.
"""

import argparse
import collections
import json
import os
import random
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from contextlib import closing
from pathlib import Path

from record import RESULTS, circumstances

from course_lib.atomic import write_text
from course_lib.labels.backups import back_up
from course_lib.labels.check import check
from course_lib.labels.session import LabelingSession
from course_lib.labels.store import PreferenceStore

ROOT = Path(__file__).resolve().parent.parent
RUN, NOTEBOOKS = "soak", 4
PACE = 0.08                         # seconds between the answers of one person, about
LONGEST_SECONDS = 12.0              # the file may be busy for ten, after which the person reads a sentence
TROUBLES = ("kill", "clock", "full", "slow", "check", "backup")


class Notebook:
    """One process with a session, and its browser: an outbox of what was not acknowledged."""

    def __init__(self, path: Path, name: str, seed: int) -> None:
        self.path, self.name, self.random = path, name, random.Random(seed)
        self.outbox: dict[str, dict] = {}
        self.acknowledged: list[str] = []          # answers
        self.taken_back: list[str] = []            # answers whose undo was acknowledged
        self.counts: collections.Counter = collections.Counter()
        self.longest = 0.0
        self.child: subprocess.Popen | None = None
        self.ends = threading.Event()
        self.thread = threading.Thread(target=self.live)

    def live(self) -> None:
        """Start a kernel, work with it until it dies, start the next one."""
        while not self.ends.is_set():
            self.child = subprocess.Popen(
                [sys.executable, __file__, "--serve", str(self.path), "--name", self.name], stdin=subprocess.PIPE,
                stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)})
            try:
                self.work()
            except (OSError, EOFError, ValueError):                 # it was killed
                self.counts["deaths"] += 1
            finally:
                self.child.kill()
                self.child.communicate()

    def work(self) -> None:
        """Say hello, send the outbox again, then answer until somebody ends it."""
        state = self.ask({"type": "hello", "have": []})
        for message in list(self.outbox.values()):
            self.ask(message)
        last = None
        while not self.ends.is_set():
            time.sleep(self.random.uniform(0, 2 * PACE))
            if not state.get("questions"):
                state = self.ask({"type": "hello", "have": []})
                if not state.get("questions"):
                    time.sleep(0.2)                                 # the disk is full, or all is answered
                continue
            if last and self.random.random() < 0.1:
                message, last = {"type": "undo", "id": uuid.uuid4().hex, "event": last, "have": []}, None
            else:
                question = state["questions"][0]["id"]
                message = {"type": "answer", "id": uuid.uuid4().hex, "question": question, "have": [],
                           "choice": self.random.choice(("left", "right", "equal", "skip"))}
                last = message["id"]
            self.outbox[message["id"]] = message
            self.counts["sent"] += 1
            state = self.ask(message)
            if message["id"] in self.outbox:               # not saved: there is nothing to take back
                last = None
            if state["type"] == "error":
                state = {}

    def ask(self, message: dict) -> dict:
        """One message and its reply; what it acknowledges leaves the outbox."""
        begun = time.monotonic()
        self.child.stdin.write(json.dumps(message) + "\n")
        self.child.stdin.flush()
        line = self.child.stdout.readline()
        if not line.endswith("\n"):
            raise EOFError
        self.longest = max(self.longest, time.monotonic() - begun - (message["type"] == "hello") * 60)
        reply = json.loads(line)
        self.counts["errors"] += reply["type"] == "error"
        for name in reply.get("acks", ()):
            sent = self.outbox.pop(name, None)
            if sent and sent["type"] == "undo":
                self.taken_back.append(sent["event"])
            elif sent:
                self.acknowledged.append(name)
        return reply


def serve(path: Path, name: str) -> None:
    """A notebook's kernel. The files NAME.clock, NAME.full and NAME.slow beside the label file bring its troubles."""
    clock, connect = time.time, sqlite3.connect
    trouble = {kind: path.with_name(f"{name}.{kind}") for kind in ("clock", "full", "slow")}

    def told(kind: str) -> float:
        try:
            return float(trouble[kind].read_text() or 0)
        except (OSError, ValueError):
            return 0.0

    def troubled(*given: object, **options: object) -> sqlite3.Connection:
        connection = connect(*given, **options)
        connection.set_progress_handler(lambda: time.sleep(told("slow")) or 0, 4000)
        if told("full"):                           # SQLite then refuses to grow, as on a full disk
            connection.execute("PRAGMA max_page_count = 1")
        return connection

    time.time = lambda: clock() + told("clock")
    sqlite3.connect = troubled
    session, full = None, False
    for line in sys.stdin:
        message = json.loads(line)
        try:
            if session is None:
                session = LabelingSession(PreferenceStore(path), RUN, name, 1_000_000, "?", repeats=0.05)
            if bool(told("full")) != full:
                full = not full
                session.store.close()              # and opens anew, on the disk as it is now
            reply = session.handle(message)
        except Exception as error:
            reply = {"type": "error", "words": f"{type(error).__name__}: {error}"}
        print(json.dumps(reply), flush=True)


def soak(seconds: float, seed: int, folder: Path) -> dict:
    """Carry out the whole experiment in `folder`; returns the counts."""
    path, draw = folder / "labels.sqlite", random.Random(seed)
    store = PreferenceStore(path)
    with store.transaction():
        texts = [store.add_text(f"text {number}") for number in range(int((4 * seconds * NOTEBOOKS / PACE) ** 0.5) + 5)]
        for one, other in zip(texts, texts[1:] + texts[:1], strict=True):
            store.add_pair(one, other, run=RUN)
        for number in range(int(1.5 * seconds / PACE)):
            store.add_pair(*draw.sample(texts, 2), run=RUN, prompt=str(number))
    store.close()
    notebooks = [Notebook(path, f"person{number}", seed + number) for number in range(NOTEBOOKS)]
    for notebook in notebooks:
        notebook.thread.start()
    troubles: collections.Counter = collections.Counter()
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        time.sleep(draw.uniform(0.3, 1.2))
        kind, victim = draw.choice(TROUBLES), draw.choice(notebooks)
        troubles[kind] += 1
        if kind == "kill" and victim.child is not None:
            victim.child.kill()
        elif kind in ("clock", "full", "slow"):
            sign = path.with_name(f"{victim.name}.{kind}")
            if sign.exists():
                sign.unlink()
            else:
                sign.write_text({"clock": str(draw.uniform(-86_400, 86_400)), "full": "1", "slow": "0.004"}[kind])
        elif kind == "check":
            check(path, dry_run=True)
        elif kind == "backup":
            back_up(path, "check")
    for notebook in notebooks:
        notebook.ends.set()
    for notebook in notebooks:
        notebook.thread.join()
    for notebook in notebooks:                             # the next kernels send what was left
        session = LabelingSession(PreferenceStore(path), RUN, notebook.name, 1_000_000, "?", repeats=0.05)
        for message in list(notebook.outbox.values()):
            session.handle(message)
        session.store.close()
    return counted(path, notebooks) | {"seconds": round(seconds), "troubles": dict(troubles)}


def counted(path: Path, notebooks: list[Notebook]) -> dict:
    """What the file holds against what was acknowledged."""
    with closing(sqlite3.connect(path)) as connection:
        events = collections.Counter(row[0] for row in connection.execute(
            "SELECT event_id FROM labels UNION ALL SELECT undo_id FROM undos"
            " UNION ALL SELECT key FROM set_aside WHERE what = 'answer'"))
        twice = connection.execute("SELECT COUNT(*) FROM (SELECT 1 FROM live_labels GROUP BY pair_id, labeler"
                                   " HAVING COUNT(*) > 1)").fetchone()[0]
        live = {row[0] for row in connection.execute("SELECT event_id FROM live_labels")}
        integrity = connection.execute("PRAGMA integrity_check").fetchone()[0]
    counts = sum((notebook.counts for notebook in notebooks), collections.Counter())
    acknowledged = [name for notebook in notebooks for name in notebook.acknowledged]
    return {"notebooks": len(notebooks), **counts, "acknowledged": len(acknowledged), "in_the_file": len(events),
            "lost": sum(events[name] == 0 for name in acknowledged)
            + sum(name in live for notebook in notebooks for name in notebook.taken_back),
            "doubled": sum(count > 1 for count in events.values()) + twice, "integrity": integrity,
            "findings": [finding.fault for finding in check(path, dry_run=True) if "were held by" not in finding.fault],
            "longest_seconds": round(max(notebook.longest for notebook in notebooks), 2)}


def main() -> None:
    """Soak for some minutes and keep the result."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--name", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        serve(arguments.serve, arguments.name)
        return
    with tempfile.TemporaryDirectory() as folder:
        found = soak(60 * arguments.minutes, arguments.seed, Path(folder))
    result = {**found, **circumstances(), "versions": {"sqlite": sqlite3.sqlite_version}}
    write_text(RESULTS / "label_store_soak.json", json.dumps(result, indent=1) + "\n")
    print(json.dumps(result, indent=1))
    sys.exit(bool(found["lost"] or found["doubled"] or found["findings"]
                  or found["longest_seconds"] > LONGEST_SECONDS))


if __name__ == "__main__":
    main()
