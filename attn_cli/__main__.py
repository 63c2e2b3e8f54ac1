"""The process of `attn` and of `python -m attn_cli`."""

from __future__ import annotations

TYPE_CHECKING = False  # that of `typing`, whose import takes longer than all that stands here
if TYPE_CHECKING:
    from typing import NoReturn


def entry() -> NoReturn:
    """Run the command line of this process and leave it with the exit status.

    Before anything else is imported, Ctrl-C is given back its meaning for the system: until a
    command begins it ends the process by the signal, and no traceback shows where that was.
    """
    import signal

    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from attn_cli.cli import entry as run_this_process

    run_this_process()


if __name__ == "__main__":
    entry()
