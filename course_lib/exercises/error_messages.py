"""Turn an exception of the learner's code into words, with the line of theirs where it came up."""

import linecache
import sysconfig
import traceback
from pathlib import Path
from types import TracebackType

from course_lib.exercises import lesson_checks

_COURSE = str(Path(__file__).resolve().parent.parent)
_LIBRARIES = tuple({sysconfig.get_paths()[key] for key in ("stdlib", "purelib", "platlib")})

_SAYS = (                   # what the error says in its own words, in small letters -> what it means
    ("does not require grad",
     "`backward()` was called on something that hangs on no parameter: `.detach()`, `.item()`, `torch.tensor(x)`, "
     "numpy or `torch.no_grad()` cut the path back to what is trained."),
    ("numpy() on tensor that requires grad",
     "numpy knows no gradients: stay in torch (torch.log, torch.where, ...), so that the answer can be trained "
     "through."),
    ("backward through the graph a second time",
     "`backward()` ran twice over the same computation: compute the loss anew for each step."),
    ("modified by an inplace operation",
     "A tensor was changed in place after the gradient had taken note of it: make a new one (`x = x + 1`, not `x "
     "+= 1`)."),
    ("leaf variable that requires grad",
     "A tensor that is trained was changed in place: make a new one (`x = x + 1`, not `x += 1`)."),
    ("boolean value of tensor with more than one",
     "`if`, `and`, `or`, `max` and `min` want one truth value and got a whole tensor: use torch.where, `&`, `|`, "
     "torch.max or `.any()`."),
    ("truth value of an array",
     "`if`, `and` and `or` want one truth value and got a whole array: use np.where, `&`, `|` or `.any()`."),
    ("mat1 and mat2 shapes",
     "A matrix product does not fit: the last dimension of the left must be as long as the second last of the "
     "right. Print both shapes; is a transpose missing?"),
    ("must match the size of tensor",
     "Two tensors of different shapes meet: print both shapes before that line; a `[:, None]`, `keepdim=True` or a"
     " slice may be missing."),
    ("shape mismatch",
     "Two shapes do not fit each other: print both before that line."),
    ("could not be broadcast",
     "Two arrays of different shapes meet: print both shapes before that line."),
    ("invalid for input of size",
     "`view` or `reshape` was asked for a shape with another number of entries: print the shape before that line."),
    ("view size is not compatible",
     "`view` wants a tensor that lies in one piece in memory: use `.reshape(...)`."),
    ("expected size",
     "Two tensors must agree in all dimensions but one: print the shapes before that line."),
    ("equal size",
     "The tensors that are put together have different shapes: print them before that line."),
    ("zero-dimensional tensor",
     "A tensor that holds one number has no dimension to join or index: `x[None]` or `x.unsqueeze(0)` gives it "
     "one."),
    ("zero-dim tensor",
     "A tensor that holds one number cannot be indexed or looped over: print its shape before that line."),
    ("0-d tensor",
     "A tensor that holds one number cannot be indexed or looped over: print its shape before that line."),
    ("dimension out of range",
     "A `dim` was named that this tensor does not have: print its shape before that line."),
    ("too many indices",
     "There are more indices than dimensions: print the shape before that line."),
    ("only one element tensors can be converted",
     "One number is wanted there and a whole tensor came: is a mean, a sum or an index missing?"),
    ("a tensor with",
     "One number is wanted there and a whole tensor came: is a mean, a sum or an index missing?"),
    ("same dtype",
     "Two tensors of different number types meet: bring both to one (`.float()`, `.to(x.dtype)`)."),
    ("expected scalar type",
     "A tensor has another number type than is wanted there: `.float()` for numbers, `.long()` for indices."),
    ("tensors used as indices",
     "Indices must be whole numbers or True/False: `.long()` or `.bool()`."),
    ("not implemented for 'bool'",
     "True/False were used as numbers: `.float()` makes 1 and 0 of them, `~` turns them round."),
    ("not implemented for 'long'",
     "Whole numbers were given where fractions are wanted: `.float()` first."),
    ("with a bool tensor is not supported",
     "True/False cannot be subtracted: `~mask` turns them round, `.float()` makes numbers of them."),
    ("not enough values to unpack",
     "Fewer values came than names stand on the left of the `=`."),
    ("too many values to unpack",
     "More values came than names stand on the left of the `=`."),
    ("math domain error",
     "`math.log` or `math.sqrt` got a number that has none: 0 or below. Which value can that be?"),
    ("positional argument",
     "The function is called with another number of arguments, or other names, than its `def` line has: leave the "
     "line as it was given."),
    ("unexpected keyword",
     "The function is called with another number of arguments, or other names, than its `def` line has: leave the "
     "line as it was given."),
)

_ADVICE = (
    (RecursionError, "Your function calls itself without an end: what stops it?"),
    (SystemExit, "Your function called `exit()` or `quit()`, which would close the kernel: leave it out and `return`."),
    (UnboundLocalError, "A variable is used before it has a value: is it set in only one branch?"),
    (NameError, "A name is used that nothing defines: a slip of the pen, or a cell above that was not run?"),
    (IndexError, "An index reaches past the end: print the shape (or the length) and the index before that line."),
    (KeyError, "A dict has no such key: print its keys before that line."),
    (ZeroDivisionError, "Something was divided by 0: which count or sum can be 0 here?"),
    (OverflowError,
     "A number grew too large: `exp` of a large number, or a power. Take the difference of logarithms first."),
    (AttributeError, "A value is of another type than the line takes it for: print its `type(...)` first."),
    (StopIteration, "`next(...)` found nothing left: what should come out when there is none?"),
    (AssertionError, "An `assert` in your own code did not hold: print what it compares."),
    (ImportError,
     "A module or a name in it cannot be imported: the exercise needs nothing beyond what its first cell imports."),
    (ValueError,
     "A value does not fit what the line does with it: print it, and its shape, before that line. `list.index` and"
     " `remove` say so when the item is not there; `max` and `min` when the list is empty."),
    (NotImplementedError,
     "torch has no such operation for these number types or shapes: print the dtypes and shapes that go into that "
     "line."),
    (TypeError, "A value is of another type than the line takes it for, or the number of arguments does not fit."),
    (RuntimeError, "torch could not do this operation: print the shapes and dtypes that go into that line."),
)

_NO_MEMORY = ("can't allocate memory", "cannot allocate memory", "not enough memory", "unable to allocate",
              "invalid buffer size", "out of memory")

OTHERWISE = "Your code stopped with this error: print the values that go into that line."


def in_words(error: BaseException) -> str:
    """`ValueError: the message`, in at most a few lines."""
    text, name = _text(error), type(error).__name__
    return (f"{name}: {text}" if text else name)[:600]


def advice(error: BaseException) -> str:
    """What to look at after an exception: by what it says, else by its kind. Never empty."""
    said = _text(error).lower()
    if out_of_memory(error):
        return ("There is not enough memory for that: a shape or a list is far larger than you meant (print its size "
                "before that line), or it grows in a loop without an end.")
    meant = next((text for part, text in _SAYS if part in said), "")
    return meant or next((text for kind, text in _ADVICE if isinstance(error, kind)), OTHERWISE)


def out_of_memory(error: BaseException) -> bool:
    """Whether this is the error of Python, numpy or torch when memory is refused."""
    said = _text(error).lower()
    return isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError) and any(part in said for part in _NO_MEMORY))


def their_line(trace: TracebackType | None, cases: str = "") -> str:
    """`cell In[5], line 4: return r1 + r2[5]` for the deepest line of the learner's code, or empty.

    `cases` is the file of the cases that ran; like the library and every lesson's checks it is not theirs.
    """
    checks = [str(file) for one in lesson_checks.files().values() for file in (one, lesson_checks.build_file(one))]
    not_theirs = (cases or _COURSE, _COURSE, *checks, *_LIBRARIES, "<frozen")
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
