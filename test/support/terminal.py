"""Runs argv[2:] on a terminal of argv[1] (ROWSxCOLUMNS); stdin has one JSON line each: {"type": text} or {"size": [rows, columns]}.

What the terminal shows goes to stdout as it is; the exit code is the program's.
"""

import fcntl
import json
import os
import select
import struct
import sys
import termios


def resize(terminal, rows, columns):
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


main, side = os.openpty()
resize(side, *map(int, sys.argv[1].split("x")))
child = os.fork()
if child == 0:
    os.close(main)
    os.setsid()
    fcntl.ioctl(side, termios.TIOCSCTTY, 0)
    for descriptor in (0, 1, 2):
        os.dup2(side, descriptor)
    os.execvp(sys.argv[2], sys.argv[2:])
os.close(side)
orders = b""
sources = [main, 0]
while True:
    readable, _, _ = select.select(sources, [], [])
    if main in readable:
        try:
            shown = os.read(main, 65536)
        except OSError:
            break
        if not shown:
            break
        os.write(1, shown)
    if 0 in readable:
        chunk = os.read(0, 65536)
        if not chunk:
            sources.remove(0)
        orders += chunk
        *lines, orders = orders.split(b"\n")
        for line in lines:
            order = json.loads(line)
            if "size" in order:
                resize(main, *order["size"])
            else:
                os.write(main, order["type"].encode())
_, status = os.waitpid(child, 0)
sys.exit(os.waitstatus_to_exitcode(status))
