"""`course labels`: look at, exchange, check and give answers in the label file. Taught in lessons 04 and 10."""

import argparse
import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path

from course_lib.errors import CourseError, printable
from course_lib.labels.session import in_words
from course_lib.labels.store import PreferenceStore, default_path


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add `course labels` to the command line."""
    parser = subparsers.add_parser("labels", help="your labels: stats, export, import, merge, check, restore, answer")
    parser.add_argument("--file", type=Path, help="the label file (default: my_work/labels/preferences.sqlite)")
    words = parser.add_subparsers(dest="labels_command", metavar="what", required=True)

    def word(name: str, function: Callable[[argparse.Namespace], int], help: str) -> argparse.ArgumentParser:
        one = words.add_parser(name, help=help, description=help)
        one.set_defaults(run=lambda arguments: run(function, arguments))
        return one

    stats = word("stats", show_stats, "how much is labelled, by whom, and how far people agree")
    stats.add_argument("name", nargs="?", metavar="RUN", help="only this run")

    export = word("export", write_export, "write a run's preferences: .jsonl for text (as trl reads), .npz for clips")
    export.add_argument("name", metavar="RUN")
    export.add_argument("out", type=Path, metavar="FILE")

    bring = word("import", read_import, "add the preferences of a .jsonl or .csv file with prompt, chosen, rejected")
    bring.add_argument("source", type=Path, metavar="FILE")
    bring.add_argument("name", metavar="RUN", help="the run they go to")
    bring.add_argument("--labeler", default="imported", help="whose preferences they are, where the lines do not say")

    join = word("merge", join_files, "bring in other people's label files; nothing becomes double")
    join.add_argument("sources", nargs="+", type=Path, metavar="FILE")
    join.add_argument("--as", dest="labeler", metavar="NAME", help="the name of the person whose file it is")

    join.add_argument("--take-undos", action="store_true", help="also take back here what was taken back there")

    back = word("restore", bring_back, "list the backups of the label file, or put one of them in its place")
    back.add_argument("backup", nargs="?", metavar="FILE", help="a name from the list, or `latest`")

    check = word("check", check_file, "find damage, mend it or set it aside; deletes nothing")
    check.add_argument("--dry-run", action="store_true", help="only say what would be done; exit 1 on a fault")

    answer = word("answer", answer_here, "label a run of texts here in the terminal")
    answer.add_argument("name", metavar="RUN")
    answer.add_argument("--target", type=int, default=20, help="how many to label (default: 20)")
    answer.add_argument("--title", default="Which one is better?", help="the question")
    answer.add_argument("--labeler", help="whose answers these are (default: your user name)")
    answer.add_argument("--scale", action="store_true", help="answer 1 (left, surely) to 9 (right, surely)")


def run(function: Callable[[argparse.Namespace], int], arguments: argparse.Namespace) -> int:
    """Carry out one of the words; a fault of the label file becomes a sentence."""
    arguments.file = arguments.file or default_path()
    try:
        return function(arguments)
    except sqlite3.Error as error:
        raise CourseError(in_words(error, arguments.file)) from error


def say(text: str) -> None:
    """Print a line; names from other people's files cannot recolour the terminal."""
    print(printable(text))


def show_stats(arguments: argparse.Namespace) -> int:
    """`course labels stats [RUN]`."""
    from course_lib.labels.statistics import agreement, labeler_stats

    store = to_read(arguments)
    runs = [arguments.name] if arguments.name else store.runs()
    for name in runs:
        say(f"{name}: {store.counts(name, []).total} questions")
        for one in labeler_stats(store, name):
            choices = ", ".join(f"{number} {choice}" for choice, number in sorted(one.choices.items()))
            pace = f", median {one.median_seconds:.1f} s" if one.median_seconds is not None else ""
            again = f", same answer to {one.same} of {one.repeated} pairs asked twice" if one.repeated else ""
            say(f"  {one.labeler}: {choices}; {one.undone} taken back{pace}{again}")
        shared = agreement(store, name)
        if shared.pairs:
            figures = [f"same label {shared.percent:.0%}"]
            figures += [f"Cohen's kappa {shared.kappa:.2f}"] if shared.kappa is not None else []
            figures += [f"Krippendorff's alpha {shared.alpha:.2f}"] if shared.alpha is not None else []
            print(f"  {shared.pairs} pairs labelled by several: {', '.join(figures)}")
    if not runs:
        print(f"No runs yet in {arguments.file}. A lesson that asks for labels makes the first one.")
    return 0


def write_export(arguments: argparse.Namespace) -> int:
    """`course labels export RUN FILE`."""
    from course_lib.labels.exchange import write_arrays, write_jsonl

    store = known_run(arguments, to_read(arguments))
    if arguments.out.suffix == ".npz":
        print(f"{write_arrays(store, arguments.name, arguments.out)} pairs written to {arguments.out}")
    elif arguments.out.suffix == ".jsonl":
        lines, ties = write_jsonl(store, arguments.name, arguments.out)
        print(f"{lines} preferences written to {arguments.out}; {ties} ties left out, for they have no chosen side")
    else:
        raise CourseError("The file's name says what to write: .jsonl for texts, .npz for the arrays of clips.")
    return 0


def read_import(arguments: argparse.Namespace) -> int:
    """`course labels import FILE RUN`."""
    from course_lib.labels.import_lines import read_preferences

    if not arguments.source.is_file():
        raise CourseError(f"{arguments.source} is missing. Check the spelling, and in which folder you are.")
    kept = backed_up(arguments, "import")
    found = read_preferences(PreferenceStore(arguments.file), arguments.source, arguments.name, arguments.labeler)
    say(f"{found.new} preferences added to the run “{arguments.name}”; {found.duplicates} were there already, "
        f"{found.conflicts} contradict an answer of the same person and are set aside, "
        f"{found.bad} lines left out{kept}")
    for fault in found.faults:
        say(f"  {fault}")
    if found.bad > len(found.faults):
        say(f"  and {found.bad - len(found.faults)} more lines")
    return 0


def join_files(arguments: argparse.Namespace) -> int:
    """`course labels merge FILE...`."""
    from course_lib.labels.merge import merge

    if arguments.labeler and len(arguments.sources) > 1:
        raise CourseError("--as names the person of one file: merge the files one by one.")
    for source in arguments.sources:
        if not source.is_file():
            raise CourseError(f"{source} is not there. Nothing was changed.")
    kept = backed_up(arguments, "merge")
    store = PreferenceStore(arguments.file)
    for source in arguments.sources:
        merged = merge(store, source, arguments.labeler, arguments.take_undos)
        say(f"{source}: {merged.labels} labels added, {merged.duplicates} were there already, "
            f"{len(merged.set_aside)} set aside, {merged.damaged} damaged and not taken{kept}")
        for name in sorted(set(merged.set_aside)):
            say(f"  {merged.set_aside.count(name)} times “{name}” had answered a question differently before. "
                "If these are two people of one name, merge their file with --as ANOTHER_NAME.")
        for name, here in sorted(merged.renamed.items()):
            say(f"  “{name}” is a name that machines give; these labels are kept as of “{here}”. --as NAME names them.")
        if merged.would_hide and not arguments.take_undos and asked_for(merged.would_hide):
            merge(store, source, arguments.labeler, take_undos=True)
            say(f"  {merged.would_hide} answers are taken back here, too.")
    return 0


def asked_for(number: int) -> bool:
    """Whether the person wants the undos of another file; where nobody can be asked, they do not."""
    say(f"  {number} answers that count in your file were taken back in that one. Yours still count.")
    if not sys.stdin.isatty():
        say("  To take them back here, too: the same command with --take-undos.")
        return False
    return input("  Take them back here, too? [y/N] ").strip().lower() in ("y", "yes")


def bring_back(arguments: argparse.Namespace) -> int:
    """`course labels restore [FILE]`."""
    from course_lib.labels.backups import backups, restore

    there = backups(arguments.file)
    if not arguments.backup:
        for backup in there:
            kind = backup.name.removeprefix(f"{arguments.file.stem}.").split(".")[1]
            say(f"{backup.name}   before: {kind}   {backup.stat().st_size / 1e6:.1f} MB")
        say(f"To put one in the place of {arguments.file}: course labels restore NAME" if there else
            f"There is no backup of {arguments.file} yet. Commands that change it make one.")
        return 0
    chosen = there[0] if arguments.backup == "latest" and there else next(
        (backup for backup in there if backup.name == Path(arguments.backup).name), Path(arguments.backup))
    if not chosen.is_file():
        raise CourseError(f"There is no backup {arguments.backup}. `course labels restore` lists them.")
    before = restore(arguments.file, chosen)
    say(f"{arguments.file} is now what {chosen.name} holds."
        + (f" What it was before is kept as {before.parent.name}/{before.name}." if before else ""))
    return 0


def backed_up(arguments: argparse.Namespace, reason: str) -> str:
    """Copy the label file before it is changed; returns the end of the sentence that says so."""
    from course_lib.labels.backups import back_up

    if not arguments.file.is_file() or not arguments.file.stat().st_size:
        return "."
    to_read(arguments).close()                     # a damaged file, or another program's, is refused before
    kept = back_up(arguments.file, reason)
    return f". The file as it was before is {kept.parent.name}/{kept.name}."


def check_file(arguments: argparse.Namespace) -> int:
    """`course labels check`."""
    from course_lib.labels.check import check

    findings = check(arguments.file, arguments.dry_run)
    for finding in findings:
        say(f"{finding.fault}\n    {finding.action}")
    if not findings:
        print(f"{arguments.file} is whole.")
    elif arguments.dry_run:
        print("Nothing was changed. Close the notebooks that use the file, then run it without --dry-run.")
    return int(bool(findings) and arguments.dry_run or any(finding.lost for finding in findings))


def answer_here(arguments: argparse.Namespace) -> int:
    """`course labels answer RUN`."""
    from course_lib.labels.labeler import user_name
    from course_lib.labels.session import LabelingSession
    from course_lib.labels.terminal import answer

    store = known_run(arguments, opened(arguments))
    answer(LabelingSession(store, arguments.name, arguments.labeler or user_name(), arguments.target, arguments.title,
                scale=arguments.scale), input, print)
    return 0


def opened(arguments: argparse.Namespace, read_only: bool = False) -> PreferenceStore:
    """The label file, which must be there. Raises `CourseError` when it is not."""
    if not arguments.file.is_file():
        raise CourseError(f"There is no label file {arguments.file} yet. It is made by the first notebook that labels.")
    return PreferenceStore(arguments.file, read_only)


def to_read(arguments: argparse.Namespace) -> PreferenceStore:
    """The label file, only to be read: neither it nor its folder changes."""
    return opened(arguments, read_only=True)


def known_run(arguments: argparse.Namespace, store: PreferenceStore) -> PreferenceStore:
    """The store, which must have the run asked for."""
    if arguments.name not in store.runs():
        raise CourseError(f"There is no run “{arguments.name}”; there are: {', '.join(store.runs()) or 'none yet'}.")
    return store
