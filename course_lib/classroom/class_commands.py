"""What `course classroom labels` and `course classroom dashboard` do."""

import argparse

from course_lib.classroom import class_labels, dashboard
from course_lib.errors import CourseError, printable
from course_lib.labels.statistics import agreement
from course_lib.labels.store import PreferenceStore


def labels(arguments: argparse.Namespace) -> int:
    """Join the label files of a class; the exit code is 1 when one could not be used."""
    files = class_labels.find(arguments.folder)
    if not files:
        raise CourseError(f"No label files in {arguments.folder}. Students hand in my_work/labels/preferences.sqlite "
                          "beside their notebook.")
    if arguments.out.exists():
        raise CourseError(f"{arguments.out} is there already, and is not written over. Name another file.")
    store = PreferenceStore(arguments.out)
    found = class_labels.collect(files, arguments.labels_run, store)
    for path, why in found.refused.items():
        print(printable(f"Left out: {why if str(path) in why else f'{path}: {why}'}"))
    for note in found.notes:
        print(printable(f"Look at {note}."))
    shared = agreement(store, arguments.labels_run)
    store.close()
    runs = ", ".join(f"{run} ({number})" for run, number in sorted(found.runs.items()))
    print(printable(f"Runs, and how many students have each: {runs or 'none'}"))
    alpha = f", Krippendorff's alpha {shared.alpha:.2f}" if shared.alpha is not None else ""
    print(f"{sum(found.labels.values())} labels of {len(found.labels)} students: {arguments.out}; {shared.pairs} pairs "
          f"labelled by several{alpha}")
    return 1 if found.refused else 0


def dashboard_page(arguments: argparse.Namespace) -> int:
    """Write the dashboard."""
    out = arguments.out or arguments.results / dashboard.FILE
    records = dashboard.read(arguments.results)
    dashboard.write(records, out)
    students = len({one["student"] for one in records})
    print(printable(f"{students} students, {len(records)} notebooks: {out}"))
    return 0
