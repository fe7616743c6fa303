"""Opens connections to one address and holds them: `crowd.py ADDRESS PORT COUNT SOURCE FIRST_BYTES`."""

import resource
import socket
import sys

address, port, count, source, begin = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4], sys.argv[5].encode()
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
held = []
try:
    while len(held) < count:
        stream = socket.socket()
        held.append(stream)
        # The kernel looks for a free port only when it knows where to.
        stream.setsockopt(socket.IPPROTO_IP, 24, 1)
        stream.bind((source, 0))
        stream.settimeout(20)
        stream.connect((address, port))
        try:
            stream.send(begin)
        except OSError:
            # It was let go already.
            pass
except OSError as error:
    print(f"opened {len(held)}, {error}", flush=True)
else:
    print(f"opened {len(held)}", flush=True)
sys.stdin.read()
