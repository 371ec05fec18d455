"""How far pip is, for bootstrap.py: its lines go to a log, and one line of packages, megabytes and time is shown.

Standard library only, in the syntax of Python 3.6: it runs before anything is installed.
"""

import re
import subprocess
import sys
import time

LAST = 12       # of pip's lines, shown when it fails


def logged(command, folder, log, progress):
    """Run a command in a folder, its lines into the file `log` and past `progress`; (exit code, its last lines)."""
    last = []
    with open(log, "a") as file:
        process = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        try:
            for line in process.stdout:
                line = line.decode("utf-8", "replace")
                file.write(line)
                file.flush()
                progress.hear(line)
                last = last[1 - LAST:] + [line.rstrip()]
            return process.wait(), last
        except BaseException:
            process.terminate()
            process.wait()
            raise
        finally:
            process.stdout.close()
            progress.end()


class Progress:
    """How far pip is: packages found of all, megabytes, time so far and left. One line, or a few where it is kept."""

    def __init__(self, packages):
        self.packages, self.found, self.megabytes, self.installing = packages, 0, 0.0, False
        self.begun = self.shown = time.time()
        self.alive = sys.stdout.isatty()

    def hear(self, line):
        """Take one of pip's lines."""
        words = line.split()
        self.found += words[:1] == ["Collecting"] or words[:2] == ["Requirement", "already"]
        size = re.search(r"\(([0-9.]+) (kB|MB|GB)\)", line)
        if size and words[:1] == ["Downloading"]:
            self.megabytes += float(size.group(1)) * {"kB": 0.001, "MB": 1, "GB": 1000}[size.group(2)]
        self.installing = self.installing or line.startswith("Installing collected")
        now = time.time()
        if self.packages and (self.installing or now - self.shown > (0.5 if self.alive else 20)):
            self.shown = now
            self.show(self.text(now - self.begun))

    def text(self, seconds):
        """The line."""
        if self.installing:
            return f"{self.packages} packages are here ({self.megabytes:.0f} MB downloaded); installing them now"
        found = min(self.found, self.packages)
        left = seconds * (self.packages - found) / found if found > 4 else 0
        then = f", about {minutes(left)} left" if left else ""
        return f"{found} of {self.packages} packages, {self.megabytes:.0f} MB, {minutes(seconds)} so far{then}"

    def show(self, text):
        """Over the last line in a terminal, else below it."""
        if self.alive:
            print("\r      " + text.ljust(90), end="", flush=True)
        else:
            say(text)

    def end(self):
        """Leave the line."""
        if self.alive and self.shown != self.begun:
            print(flush=True)


def minutes(seconds):
    """A time in words: `40 s`, `3 min`."""
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"


def step(number, what):
    """Announce a step."""
    print(f"\n[{number}/6] {what}", flush=True)


def say(text):
    """Say something within a step."""
    print("      " + text.replace("\n", "\n      "), flush=True)
