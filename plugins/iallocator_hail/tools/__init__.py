"""Programs, one module each with a `main(argv)`, and what they share."""

import os

from ..requirement import missing_library

if _problem := missing_library():
    # All of them compute with arrays; said here, once, instead of by an import deep inside.
    raise SystemExit(f"Error: {_problem}")

# Nothing here multiplies matrices large enough for several threads, and merely starting them costs
# a good part of the time of a small run. Has to be said before NumPy is first imported.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
