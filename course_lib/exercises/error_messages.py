"""Turn an exception of the learner's code into words, with the line of theirs where it came up."""

import linecache
import sysconfig
import traceback
from pathlib import Path
from types import TracebackType

from course_lib.exercises import lesson_checks

_COURSE = str(Path(__file__).resolve().parent.parent)
_LIBRARIES = tuple({sysconfig.get_paths()[key] for key in ("stdlib", "purelib", "platlib")})

_ADVICE = (
    (RecursionError, "Your function calls itself without an end: what stops it?"),
    (SystemExit, "Your function called `exit()` or `quit()`, which would close the kernel: leave it out and `return`."),
    (MemoryError, "There was not enough memory: a shape may have grown by accident (print it)."),
    (UnboundLocalError, "A variable is used before it has a value: is it set in only one branch?"),
    (NameError, "A name is used that nothing defines: a slip of the pen, or a cell above that was not run?"),
    (IndexError, "An index reaches past the end: print the shape (or the length) and the index before that line."),
    (KeyError, "A dict has no such key: print its keys before that line."),
    (ZeroDivisionError, "Something was divided by 0: which count or sum can be 0 here?"),
    (AttributeError, "A value is of another type than the line takes it for: print its `type(...)` first."),
    (TypeError, "A value is of another type than the line takes it for, or the number of arguments does not fit."),
    (RuntimeError, "torch could not do this operation: print the shapes and dtypes that go into that line."),
)


def in_words(error: BaseException) -> str:
    """`ValueError: the message`, in at most a few lines."""
    text, name = _text(error), type(error).__name__
    return (f"{name}: {text}" if text else name)[:600]


def advice(error: BaseException) -> str:
    """What to look at after an exception of this kind."""
    return next((text for kind, text in _ADVICE if isinstance(error, kind)), "")


def their_line(trace: TracebackType | None, cases: str = "") -> str:
    """`cell In[5], line 4: return r1 + r2[5]` for the deepest line of the learner's code, or empty.

    `cases` is the file of the cases that ran; like the library and every lesson's checks it is not theirs.
    """
    not_theirs = (cases or _COURSE, _COURSE, *map(str, lesson_checks.files().values()), *_LIBRARIES, "<frozen")
    frames = [frame for frame in traceback.StackSummary.extract(traceback.walk_tb(trace), lookup_lines=False)
              if not frame.filename.startswith(not_theirs)]
    if not frames:
        return ""
    frame = frames[-1]
    code = linecache.getline(frame.filename, frame.lineno or 0).strip()
    return f"{_name(frame.filename)}, line {frame.lineno}" + (f": {code}" if code else "")


def unwritten(error: NotImplementedError) -> bool:
    """Whether this is the stub's own exception, not one of torch's for an operation that it lacks."""
    if not _text(error):
        return True
    last = traceback.extract_tb(error.__traceback__, limit=-1)
    return bool(last) and (last[0].line or "").startswith("raise NotImplementedError")


def unwritten_function(error: NotImplementedError) -> str:
    """The name of the function that is not written yet."""
    return traceback.extract_tb(error.__traceback__, limit=-1)[0].name


def _text(error: BaseException) -> str:
    try:
        return str(error).strip()
    except Exception:           # the learner's own class of exception may not be printable
        return ""


def _name(filename: str) -> str:
    """The cell's number where IPython knows it, else the file's name."""
    try:
        from IPython import get_ipython

        label, name = get_ipython().compile.format_code_name(filename)
        return f"cell {name}" if label == "Cell" else Path(filename).name
    except (ImportError, AttributeError, TypeError, ValueError):
        return "your code" if filename.startswith("<") or "ipykernel" in filename else Path(filename).name
