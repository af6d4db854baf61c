"""What the scripts beside this file share: one line per check, and an exit status that says whether all hold."""

import contextlib
import os
import sys
import traceback

# A server that does not answer must fail a check, not hang the script.
TIMEOUT = 30

failed = 0


@contextlib.contextmanager
def check(promise):
    """Runs the block as one check. One that fails is told and counted, and the others still run."""
    global failed
    try:
        yield
    except Exception as error:
        failed += 1
        # The innermost frame of the script itself says which expectation it was.
        frames = [
            frame
            for frame in traceback.extract_tb(error.__traceback__)
            if frame.filename == os.path.abspath(sys.argv[0])
        ]
        place = f"line {frames[-1].lineno}: {frames[-1].line}" if frames else "outside of the script"
        told = " ".join(f"{type(error).__name__} {error}".split())
        print(f"FAILED  {promise} ({place}; {told[:600]})", flush=True)
    else:
        print(f"ok      {promise}", flush=True)


def expect(seen, wanted):
    """Says what was seen, which a plain assert does not."""
    assert seen == wanted, f"{seen!r} is not {wanted!r}"


@contextlib.contextmanager
def refusal(kind):
    """The block has to be refused with this exception, which can be looked at afterwards."""
    holder = Refused()
    try:
        yield holder
    except kind as error:
        holder.error = error
    else:
        raise AssertionError(f"it was not refused with {kind.__name__}")


class Refused:
    """Keeps the exception of a refusal."""

    error = None


def given(name):
    """An environment variable that the one who runs the script has to set."""
    if name not in os.environ:
        sys.exit(f"the environment variable {name} is not set")
    return os.environ[name]


def finish():
    """Ends the script; its status tells whether everything holds."""
    if failed:
        sys.exit(f"{failed} checks failed")
