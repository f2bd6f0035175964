"""Prints every datagram that comes to the Unix socket argv[1], with the pid of its sender, one JSON line each."""

import json
import os
import socket
import struct
import sys

server = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
server.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
server.bind(sys.argv[1])
print("listening", flush=True)
while True:
    data, ancillary, _, _ = server.recvmsg(4096, 4096)
    pid = 0
    for level, kind, content in ancillary:
        if kind == socket.SCM_CREDENTIALS:
            pid = struct.unpack("iii", content[:12])[0]
        elif kind == socket.SCM_RIGHTS:
            # A barrier: systemd-notify waits until its pipe is closed.
            for fd in struct.unpack("%di" % (len(content) // 4), content):
                os.close(fd)
    print(json.dumps({"lines": data.decode().split("\n"), "pid": pid}), flush=True)
