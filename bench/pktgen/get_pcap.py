#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Write a capture of HTTP GET packets of many flows, for Pktgen: get_pcap.py WEIR_MAC FILE [FLOWS]"""
import socket
import struct
import sys

REQUEST = (
    b"GET /get?item=4711&list=all HTTP/1.1\r\n"
    b"Host: httpbin.sample-app.svc.cluster.local\r\n"
    b"User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:115.0) Gecko/20100101\r\n"
    b"Accept: text/html,application/xhtml+xml;q=0.9,*/*;q=0.8\r\n"
    b"Accept-Language: en-US,en;q=0.5\r\n"
    b"Cookie: session=0123456789abcdef\r\n\r\n"
)
WEIR = socket.inet_aton("10.77.0.1")
FIRST_SOURCE = 0xC6120001  # 198.18.0.1
PSH_ACK = 0x18


def checksum(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def frame(mac, flow):
    source = struct.pack("!I", FIRST_SOURCE + flow)
    head = struct.pack("!HHIIBBHHH", 1024 + flow % 60000, 80, flow * 65537 & 0xFFFFFFFF, 1, 5 << 4, PSH_ACK, 65535, 0, 0)
    pseudo = source + WEIR + struct.pack("!BBH", 0, 6, len(head) + len(REQUEST))
    tcp_sum = struct.pack("!H", checksum(pseudo + head + REQUEST))
    tcp = head[:16] + tcp_sum + head[18:]
    ip = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(tcp) + len(REQUEST), 0, 0x4000, 64, 6, 0) + source + WEIR
    ip = ip[:10] + struct.pack("!H", checksum(ip)) + ip[12:]
    return mac + bytes.fromhex("020000000002") + b"\x08\x00" + ip + tcp + REQUEST


def main(arguments):
    if len(arguments) not in (2, 3):
        sys.exit(__doc__)
    mac = bytes.fromhex(arguments[0].replace(":", ""))
    flows = int(arguments[2]) if len(arguments) == 3 else 4096
    with open(arguments[1], "wb") as out:
        out.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
        for flow in range(flows):
            data = frame(mac, flow)
            out.write(struct.pack("<IIII", 0, flow, len(data), len(data)) + data)


if __name__ == "__main__":
    main(sys.argv[1:])
