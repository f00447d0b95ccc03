# SPDX-License-Identifier: BSD-3-Clause
"""TRex, ASTF: HTTP/1.1 clients and servers with Weir between them, a number of requests on each connection.

Tunables: -t --requests N (default 100) --body BYTES (default 1024; at most 1,200, so that a response is one segment).
"""
import argparse

from trex.astf.api import (
    ASTFAssociationRule,
    ASTFIPGen,
    ASTFIPGenDist,
    ASTFIPGenGlobal,
    ASTFProfile,
    ASTFProgram,
    ASTFTCPClientTemplate,
    ASTFTCPServerTemplate,
    ASTFTemplate,
)

REQUEST = (
    b"GET /get?item=4711&list=all HTTP/1.1\r\n"
    b"Host: httpbin.sample-app.svc.cluster.local\r\n"
    b"User-Agent: trex\r\n"
    b"Accept: text/html,application/xhtml+xml;q=0.9,*/*;q=0.8\r\n\r\n"
)


def client(requests, body):
    program = ASTFProgram()
    program.connect()
    program.set_var("left", requests)
    program.set_label("again:")
    program.send(REQUEST)
    program.recv(body, True)  # at least that much: the head comes in the same segment
    program.jmp_nz("left", "again:")
    return program


def server(body):
    # Weir keeps its connections to the servers: they end when Weir closes them
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n" % body
    program = ASTFProgram()
    program.accept()
    program.set_var("left", 1000000000)
    program.set_label("again:")
    program.recv(len(REQUEST), True)  # Weir adds fields; the whole request is one segment
    program.send(head + b"x" * body)
    program.jmp_nz("left", "again:")
    return program


class Http:
    def get_profile(self, tunables, **kwargs):
        parser = argparse.ArgumentParser(prog="trex_http.py")
        parser.add_argument("--requests", type=int, default=100)
        parser.add_argument("--body", type=int, default=1024)
        args = parser.parse_args(tunables)
        addresses = ASTFIPGen(
            glob=ASTFIPGenGlobal(ip_offset="0.0.0.0"),
            dist_client=ASTFIPGenDist(ip_range=["16.0.0.1", "16.0.3.254"], distribution="seq"),
            dist_server=ASTFIPGenDist(ip_range=["10.77.0.1", "10.77.0.1"], distribution="seq"),
        )
        template = ASTFTemplate(
            client_template=ASTFTCPClientTemplate(program=client(args.requests, args.body), ip_gen=addresses, port=80, cps=1),
            server_template=ASTFTCPServerTemplate(program=server(args.body), assoc=ASTFAssociationRule(port=80)),
        )
        return ASTFProfile(default_ip_gen=addresses, templates=template)


def register():
    return Http()
