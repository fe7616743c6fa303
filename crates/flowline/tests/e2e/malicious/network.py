"""Reaches out to addresses, and says which ones answered. With `keep`, it is the one who is reached for."""

import ctypes
import errno
import os
import socket
import sys
import time

PATIENCE_S = 5


def keep():
    """A service of its own, for nobody else: on the loopback, in the abstract, in shared memory, in files."""
    service = socket.create_server(("127.0.0.1", 0))
    abstract = socket.socket(socket.AF_UNIX)
    abstract.bind("\0neighbour")
    abstract.listen()
    libc = ctypes.CDLL(None)
    shared = libc.shmget(0x5EC12E7, 4096, 0o1666)
    for path in ("/dev/shm/neighbour", "/tmp/neighbour"):
        with open(path, "w") as file:
            file.write("secret")
    print("keeps", service.getsockname()[1], shared >= 0, flush=True)
    time.sleep(3600)


def say(name, reached, why=""):
    print(f"{name}: {'got through' if reached else 'stopped'}{', ' if why else ''}{why}", flush=True)


def reach(name, family, address):
    with socket.socket(family, socket.SOCK_STREAM) as stream:
        stream.settimeout(PATIENCE_S)
        try:
            stream.connect(address)
            say(name, True)
        except TimeoutError:
            say(name, False, "no answer")
        except OSError as error:
            say(name, False, errno.errorcode.get(error.errno, str(error)))


def connect(target):
    ip, port = target.rsplit(":", 1)
    ip = ip.strip("[]")
    reach(f"tcp {target}", socket.AF_INET6 if ":" in ip else socket.AF_INET, (ip, int(port)))


def send(target):
    ip, port = target.rsplit(":", 1)
    try:
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"hello", (ip, int(port)))
    except OSError:
        pass


def take_place(port):
    """Listens where somebody else does; the test sees whether that one is still answered."""
    for address in ("0.0.0.0", "127.0.0.1"):
        thief = socket.socket()
        thief.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        thief.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        try:
            thief.bind((address, port))
            thief.listen()
            thieves.append(thief)
        except OSError:
            pass


thieves = []
if sys.argv[1:] == ["keep"]:
    keep()
for word in sys.argv[1:]:
    kind, _, target = word.partition("=")
    if kind == "tcp":
        connect(target)
    elif kind == "udp":
        send(target)
    elif kind == "place":
        take_place(int(target))
    elif kind == "unix":
        reach(f"unix {target}", socket.AF_UNIX, target)
    elif kind == "abstract":
        reach(f"abstract {target}", socket.AF_UNIX, "\0" + target)
    elif kind == "file":
        say(f"file {target}", os.path.exists(target))
    elif kind == "shared":
        say("shared memory", ctypes.CDLL(None).shmget(int(target), 4096, 0) >= 0)
print("that was all", flush=True)
# Long enough for visitors to come by.
time.sleep(5 if thieves else 0)
