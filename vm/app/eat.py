"""Takes argv[1] MiB of memory, and says when it has them."""

import sys

taken = [bytearray(b"x") * (1 << 20) for _ in range(int(sys.argv[1]))]
print(f"has {len(taken)} MiB", flush=True)
