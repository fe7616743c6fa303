"""Asks the kernel for what no app may have. Each try says how it ended: stopped, or got through."""

import ctypes
import errno
import os
import platform
import socket
import sys

libc = ctypes.CDLL(None, use_errno=True)

# Eight bytes of its own, and eight of another.
OWN = (ctypes.c_void_p * 2)(ctypes.addressof(ctypes.create_string_buffer(8)), 8)
OTHER = (ctypes.c_void_p * 2)(0x400000, 8)

# What each try calls: its number on x86-64 and on aarch64, and its arguments.
TRIES = {
    "mount": (165, 40, b"none", b"/tmp", b"tmpfs", 0, 0),
    "umount": (166, 39, b"/proc", 2),
    "pivot_root": (155, 41, b"/tmp", b"/tmp"),
    "chroot": (161, 51, b"/tmp"),
    "open_tree": (428, 428, -100, b"/", 1),
    "fsopen": (430, 430, b"tmpfs", 0),
    "unshare user": (272, 97, 0x10000000),
    "unshare mounts": (272, 97, 0x20000),
    "clone user": (56, 220, 0x10000000 | 17, 0, 0, 0, 0),
    "clone3": (435, 435, ctypes.create_string_buffer(88), 88),
    "setns": (308, 268, 0, 0),
    "bpf": (321, 280, 0, ctypes.create_string_buffer(128), 128),
    "perf_event_open": (298, 241, ctypes.create_string_buffer(b"\0\0\0\0\x70", 112), 0, -1, -1, 0),
    "kexec_load": (246, 104, 0, 0, 0, 0),
    "init_module": (175, 105, b"", 0, b""),
    "reboot": (169, 142, 0xFEE1DEAD, 672274793, 0x89ABCDEF, 0),
    "syslog": (103, 116, 3, ctypes.create_string_buffer(64), 64),
    "swapon": (167, 224, b"/tmp/swap", 0),
    "settimeofday": (164, 170, ctypes.create_string_buffer(16), 0),
    "sethostname": (170, 161, b"mine", 4),
    "keyctl": (250, 219, 0, -3, 1),
    "add_key": (248, 217, b"user", b"name", b"x", 1, -3),
    "userfaultfd": (323, 282, 0),
    "io_uring": (425, 425, 1, ctypes.create_string_buffer(120)),
    "open_by_handle": (304, 265, -100, ctypes.create_string_buffer(b"\x08\0\0\0\x01\0\0\0\x02", 136), 0),
    "fanotify": (300, 262, 0, 0),
    "acct": (163, 89, b"/tmp/acct"),
    "become root": (105, 146, 0),
    "join root's group": (106, 144, 0),
    "set groups": (116, 159, 1, ctypes.create_string_buffer(4)),
    "raise priority": (141, 140, 0, 0, ctypes.c_long(-20)),
    "make a device": (259, 33, -100, b"/tmp/disk", 0o60666, 8 << 8),
    "trace the first process": (101, 117, 16, 1, 0, 0),
    "read the first process": (310, 270, 1, OWN, 1, OTHER, 1, 0),
}


def call(x86, arm, *args):
    number = {"x86_64": x86, "aarch64": arm}[platform.machine()]
    result = libc.syscall(ctypes.c_long(number), *args)
    if result < 0:
        raise OSError(ctypes.get_errno(), "refused")
    return result


def family(*wanted):
    socket.socket(*wanted).close()


def try_all():
    for name, (x86, arm, *args) in TRIES.items():
        yield name, lambda: call(x86, arm, *args)
    # The 32-bit-pointer form of a call has a number of its own.
    if platform.machine() == "x86_64":
        yield "x32 mount", lambda: call(0x40000000 + 165, 0, b"none", b"/tmp", b"tmpfs", 0, 0)
    yield "raw packets", lambda: family(socket.AF_PACKET, socket.SOCK_RAW)
    yield "raw internet", lambda: family(socket.AF_INET, socket.SOCK_RAW, 1)
    yield "sockets of others", lambda: family(socket.AF_NETLINK, socket.SOCK_RAW, 4)
    yield "packet filters", lambda: family(socket.AF_NETLINK, socket.SOCK_RAW, 12)
    yield "crypto sockets", lambda: family(38, socket.SOCK_SEQPACKET)
    yield "machine sockets", lambda: family(40, socket.SOCK_STREAM)


for name, attempt in try_all():
    try:
        result = attempt()
        # A new process came back twice.
        if name == "clone user" and result == 0:
            os._exit(0)
        print(f"{name}: got through")
    except OSError as error:
        print(f"{name}: stopped, {errno.errorcode.get(error.errno, error.errno)}")
sys.stdout.flush()
print("that was all")
