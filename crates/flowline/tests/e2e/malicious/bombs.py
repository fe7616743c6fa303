"""Uses up what it can, and says how far it came."""

import errno
import http.server
import os
import signal
import socket
import sys


def say(*words):
    print(*words, flush=True)


def forks():
    """Processes that do nothing."""
    made = 0
    while True:
        try:
            if os.fork() == 0:
                signal.pause()
            made += 1
        except OSError as error:
            return say("forks", made, errno.errorcode[error.errno])


def fork_bomb():
    """Processes that make processes, and never end."""
    say("lit")
    while True:
        try:
            os.fork()
        except OSError:
            pass


def memory():
    """Memory that is written to, so that it is really there."""
    held = []
    while True:
        held.append(bytearray(os.urandom(1) * (16 << 20)))


def shared_memory():
    """The same by files in memory."""
    fill("/dev/shm/fill")


def sockets():
    """Open sockets, of many processes."""
    reports, to = os.pipe()
    for _ in range(8):
        if os.fork() == 0:
            held = []
            try:
                while True:
                    held.append(socket.socket())
            except OSError as error:
                os.write(to, f"sockets {len(held)} {errno.errorcode[error.errno]}\n".encode())
            signal.pause()
    with os.fdopen(reports) as lines:
        for _ in range(8):
            say(lines.readline().strip())


def fill(path):
    """Writes until it may not; the rest of the dyno must be able to go on, and make room again."""
    written = 0
    try:
        with open(path, "wb", buffering=0) as file:
            while True:
                written += file.write(bytes(1 << 20))
    except OSError as error:
        say("filled", written >> 20, errno.errorcode[error.errno])
    os.remove(path)
    with open(path, "w") as file:
        file.write("room again")
    say("room again")


def fill_folder(folder):
    """Files of a gigabyte each, until somebody ends it."""
    made = 0
    while True:
        with open(f"{folder}/{made}", "wb") as file:
            os.posix_fallocate(file.fileno(), 0, 1 << 30)
        made += 1
        say("filled", made)
        if made >= 6:
            signal.pause()


def flood(lines):
    """Lines, numbered."""
    out = sys.stdout.buffer
    for start in range(1, int(lines) + 1, 1000):
        out.write(b"".join(b"flood %d\n" % number for number in range(start, start + 1000)))
    out.flush()


def deep(folder):
    """Folders in folders, deeper than any path may be long."""
    os.chdir(folder)
    for _ in range(6_000):
        os.mkdir("d" * 20)
        os.chdir("d" * 20)
    os.symlink("/", "root")


def hide():
    """Goes to the background, out of its group and session, and does not listen."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            say("hidden")
            signal.pause()
        os._exit(0)
    while True:
        signal.pause()


def serve_floods():
    """The same, as many lines as the path of a request says."""

    class Flooder(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            if self.path != "/":
                flood(self.path[1:])
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"the flood is over")

        def log_message(self, *args):
            pass

    http.server.HTTPServer(("0.0.0.0", int(os.environ["PORT"])), Flooder).serve_forever()


globals()[sys.argv[1]](*sys.argv[2:])
