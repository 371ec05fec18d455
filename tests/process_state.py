"""What a test may leave behind in its process for the next one, and there is another order each time: nothing."""

import os
import signal
import sys
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM, *([signal.SIGALRM] if hasattr(signal, "SIGALRM") else []))
OURS = "$COURSE_"       # a new variable of another name is a library's, which sets it when it is first used


def process_state() -> dict[str, Any]:
    """All that is compared before and after a test, by name; variables of the environment have a `$` before theirs."""
    variables = {f"${name}": value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    return {"the working folder": os.getcwd(), "sys.path": tuple(sys.path), **variables, **_of_torch(),
            **{f"the handler of {one.name}": signal.getsignal(one) for one in SIGNALS}}


def left_behind(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """One line for each that is not as it was. What the first import of a library brings is no change."""
    names = sorted(name for name in {**before, **after}
                   if before.get(name) != after.get(name) and (name in before or name.startswith(OURS)))
    return [f"{name}: {before.get(name)!r} before, {after.get(name)!r} after" for name in names]


def _of_torch() -> dict[str, Any]:
    torch = sys.modules.get("torch")
    if torch is None or not hasattr(torch, "is_grad_enabled"):
        return {}
    return {"torch's default dtype": torch.get_default_dtype(), "torch's threads": torch.get_num_threads(),
            "torch's gradients": torch.is_grad_enabled(),
            "torch's determinism": torch.are_deterministic_algorithms_enabled()}
