#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Run transcripts of weirctl against a scripted daemon and compare.

usage: transcript.py [--update] WEIRCTL FILE.txt...

A transcript is what a terminal shows: lines "$ command", then what it prints (standard output and
standard error together), then "[N]" when the exit code N is not 0. Lines that start with # stand
between commands and say what is shown. The daemon is a thread that answers each method with what
answers.json says: the entry "METHOD NAMESPACE" (of workers: "METHOD ROUTE"), else "METHOD". Instead of a result or an error an
entry may be {"raw": text, "times": n} (sent as it is, then the connection is closed), {"hang": true}, or
{"results": [...]}: the first for the first such call of a connection, and so on; the last one again and again.
A string "@-N" in a result stands for the time N seconds ago. With --update the files are rewritten.
"""
import json, os, socket, subprocess, sys, tempfile, threading, time

HERE = os.path.dirname(os.path.abspath(__file__))


def fill_times(value):
    if isinstance(value, dict):
        return {k: fill_times(v) for k, v in value.items()}
    if isinstance(value, list):
        return [fill_times(v) for v in value]
    if isinstance(value, str) and value.startswith("@-"):
        return time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(time.time() - int(value[2:])))
    return value


def answer(client, line, answers, calls):
    """Answer one request in small pieces; False ends the connection. calls: how often each method was called on it."""
    request = json.loads(line)
    params = request["params"]
    method = request["method"]
    space = params.get("namespace", params.get("route", "") if method == "workers" else "")
    entry = answers.get(f"{method} {space}", answers.get(method))
    if entry is None:
        entry = {"error": {"code": -32601, "message": f"no method {method}", "data": {"reason": "MethodNotFound"}}}
    if "echo" in entry:
        entry = {"result": {"generation": 8, "objects": [
            {"kind": "Document", "name": d["name"], "result": f"{len(d['text'])}-bytes"} for d in params["documents"]]}}
    if "results" in entry:
        entry = {"result": entry["results"][min(calls.get(method, 0), len(entry["results"]) - 1)]}
        calls[method] = calls.get(method, 0) + 1
    if "hang" in entry:
        time.sleep(5)
        return False
    if "raw" in entry:
        for _ in range(entry.get("times", 1)):
            client.sendall(entry["raw"].encode("latin-1"))
        return False
    reply = {"jsonrpc": "2.0", "id": request["id"], **fill_times(entry)}
    data = json.dumps(reply).encode() + b"\n"
    for i in range(0, len(data), 1000):
        client.sendall(data[i:i + 1000])
    return True


def serve(client, answers):
    calls = {}
    try:
        with client, client.makefile("rb") as lines:
            for line in lines:
                if not answer(client, line, answers, calls):
                    return
    except (BrokenPipeError, ConnectionResetError):
        pass


def accept(listener, answers):
    while True:
        client, _ = listener.accept()
        threading.Thread(target=serve, args=(client, answers), daemon=True).start()


def run(path, env, folder):
    """The transcript as it is now, as text."""
    out = []
    for line in open(path, encoding="utf-8"):
        if line.startswith("#"):
            out.append(("\n" if out else "") + line)
        if not line.startswith("$ "):
            continue
        out.append(line)
        p = subprocess.run(["bash", "-c", line[2:]], cwd=folder, env=env, stdin=subprocess.DEVNULL,
                           stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60)
        text = p.stdout.decode(errors="backslashreplace")
        out.append(text + ("\n" if text and not text.endswith("\n") else ""))
        if p.returncode:
            out.append(f"[{p.returncode}]\n")
    return "".join(out)


def main():
    update = sys.argv[1] == "--update"
    weirctl, *paths = sys.argv[2 if update else 1:]
    answers = json.load(open(os.path.join(HERE, "answers.json")))
    bad = 0
    with tempfile.TemporaryDirectory() as folder:
        os.symlink(os.path.abspath(weirctl), os.path.join(folder, "weirctl"))
        os.symlink(os.path.join(HERE, "data"), os.path.join(folder, "data"))
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(os.path.join(folder, "weir.sock"))
        listener.listen()
        threading.Thread(target=accept, args=(listener, answers), daemon=True).start()
        env = {"PATH": folder + ":/usr/bin:/bin", "WEIR_SOCKET": "weir.sock", "LC_ALL": "C.UTF-8",
               "TERM": "xterm", **{k: v for k, v in os.environ.items() if "SAN_OPTIONS" in k}}
        for path in paths:
            now = run(path, env, folder)
            if update:
                open(path, "w", encoding="utf-8").write(now)
            elif now != open(path, encoding="utf-8").read():
                bad += 1
                subprocess.run(["diff", "-u", path, "-"], input=now.encode())
    return 1 if bad else 0


sys.exit(main())
