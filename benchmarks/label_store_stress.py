"""Kill the labelling process again and again in the middle of its work, and count what is lost or doubled.

    python benchmarks/label_store_stress.py --kills 200

A child process runs the session, as a notebook's kernel does. This process plays the browser: it sends answers as fast
as they are taken, now and then an undo, keeps what is not acknowledged, and sends it again to the next child. Each
child is ended by SIGKILL at a random moment, some of them while they start. At the end:

- lost: acknowledged answers or undos that are not in the file (or not whole) — must be 0;
- doubled: answers that are in the file twice, or questions with two live answers — must be 0;
- missing: answers that were sent again after their child had died and still are not there — must be 0.

SIGKILL shows that no answer waits in the process; that the disk keeps its word is SQLite's synchronous=FULL, which no
kill can test. Results go to benchmarks/results/label_store_stress.json.
"""

import argparse
import collections
import json
import os
import queue
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from pathlib import Path

from record import RESULTS, circumstances

from course_lib.atomic import write_text
from course_lib.labels.session import LabelingSession
from course_lib.labels.store import PreferenceStore

ROOT = Path(__file__).resolve().parent.parent
RUN = "stress"
UNDO_SHARE = 0.1
KILLED_AT_START = 0.15              # share of the children that die before their first message
LIFE_SECONDS = 0.3                  # the others live up to so long after it


def serve(path: Path) -> None:
    """The child: a session that reads one message a line and answers with one."""
    session = LabelingSession(PreferenceStore(path), RUN, "stress", 1_000_000, "?", repeats=0)
    for line in sys.stdin:
        print(json.dumps(session.handle(json.loads(line))), flush=True)


class Browser:
    """Sends answers to a child and keeps what it has not acknowledged, as labeler.js does."""

    def __init__(self, path: Path, random_: random.Random):
        self.path, self.random = path, random_
        self.outbox: dict[str, dict] = {}          # sent, not acknowledged
        self.acknowledged: list[str] = []
        self.sent = collections.Counter()          # "answer", "undo", "again"
        self.last: str | None = None               # the latest answer, which an undo would take back

    def life(self) -> str:
        """One child from start to SIGKILL; returns when it died: "start", "waiting" or "working"."""
        child = subprocess.Popen([sys.executable, __file__, "--serve", str(self.path)], stdin=subprocess.PIPE,
                                 stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)})
        replies: queue.Queue[str | None] = queue.Queue()
        reader = threading.Thread(target=lambda: [replies.put(line) for line in child.stdout] + [replies.put(None)])
        reader.start()
        try:
            if self.random.random() < KILLED_AT_START:
                time.sleep(self.random.uniform(0, 0.5))
                return "start"
            self.tell(child, {"type": "hello", "have": []})
            state = json.loads(replies.get(timeout=60))
            for message in list(self.outbox.values()):
                self.sent["again"] += 1
                self.tell(child, message)
            for _ in list(self.outbox):            # labeler.js, too, asks nothing that it has answered already
                state = self.hear(replies.get(timeout=60))
            end = time.monotonic() + self.random.uniform(0, LIFE_SECONDS)
            while time.monotonic() < end:
                self.tell(child, self.next_message(state))
                try:
                    state = self.hear(replies.get(timeout=max(0.0, end - time.monotonic())))
                except queue.Empty:
                    return "working"               # a message is under way: the child is killed in the middle of it
            return "waiting"
        finally:
            child.send_signal(signal.SIGKILL)
            child.wait()
            reader.join()
            while (line := replies.get()) is not None:
                if line.endswith("\n"):            # it had answered before it died
                    self.hear(line)
            child.stdin.close()
            child.stdout.close()

    def next_message(self, state: dict) -> dict:
        """An answer to the next question, or now and then an undo of the last answer."""
        if self.last and self.random.random() < UNDO_SHARE:
            message = {"type": "undo", "id": uuid.uuid4().hex, "event": self.last, "have": []}
            self.last = None
        else:
            question = state["questions"][0]["id"]
            message = {"type": "answer", "id": uuid.uuid4().hex, "question": question, "have": [],
                       "choice": self.random.choice(("left", "right", "equal", "skip"))}
            self.last = message["id"]
        self.outbox[message["id"]] = message
        self.sent[message["type"]] += 1
        return message

    def tell(self, child: subprocess.Popen, message: dict) -> None:
        child.stdin.write(json.dumps(message) + "\n")
        child.stdin.flush()

    def hear(self, line: str | None) -> dict:
        state = json.loads(line)
        for name in state["acks"]:
            if self.outbox.pop(name, None):
                self.acknowledged.append(name)
        return state


def stress(kills: int, seed: int, folder: Path) -> dict:
    """Carry out the whole experiment in `folder`; returns the counts."""
    path = folder / "labels.sqlite"
    store = PreferenceStore(path)
    with store.transaction():
        for number in range(20 * kills + 100):
            store.add_pair(store.add_text(f"{number} a"), store.add_text(f"{number} b"), run=RUN)
    store.close()
    browser, deaths = Browser(path, random.Random(seed)), collections.Counter()
    for _ in range(kills):
        deaths[browser.life()] += 1
    session = LabelingSession(PreferenceStore(path), RUN, "stress", 1_000_000, "?", repeats=0)
    for message in list(browser.outbox.values()):             # the last child's: the next notebook would send them
        session.handle(message)
    connection = sqlite3.connect(path)
    events = collections.Counter(row[0] for row in connection.execute(
        "SELECT event_id FROM labels UNION ALL SELECT undo_id FROM undos"
        " UNION ALL SELECT key FROM set_aside WHERE what = 'answer'"))
    twice = connection.execute("SELECT COUNT(*) FROM (SELECT 1 FROM live_labels GROUP BY pair_id, labeler"
                               " HAVING COUNT(*) > 1)").fetchone()[0]
    return {"kills": kills, "killed_while": dict(deaths), "sent": dict(browser.sent),
            "acknowledged": len(browser.acknowledged), "in_the_file": len(events),
            "lost": sum(events[name] == 0 for name in browser.acknowledged),
            "doubled": sum(count > 1 for count in events.values()) + twice,
            "missing": sum(events[name] == 0 for name in browser.outbox),
            "set_aside": connection.execute("SELECT COUNT(*) FROM set_aside").fetchone()[0],
            "integrity": connection.execute("PRAGMA integrity_check").fetchone()[0]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        serve(arguments.serve)
        return
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        found = stress(arguments.kills, arguments.seed, Path(folder))
    versions = {"sqlite": sqlite3.sqlite_version}
    result = {**found, "seconds": round(time.monotonic() - start), **circumstances(), "versions": versions}
    write_text(RESULTS / "label_store_stress.json", json.dumps(result, indent=1) + "\n")
    print(json.dumps(result, indent=1))
    sys.exit(bool(found["lost"] or found["doubled"] or found["missing"]))


if __name__ == "__main__":
    main()
