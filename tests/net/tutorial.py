#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Do what docs/tutorial-canary.md says and compare with what it shows.

usage: tutorial.py [--no-traffic] [--address OLD=NEW]... TUTORIAL.md

Runs in the present folder with weirctl, curl and jq of the PATH. Fenced blocks mean:
  yaml file=NAME   is written to NAME
  sh run           is run by bash -e and has to succeed; also "fails" (has to fail), "watch" (is
                   interrupted after two seconds and has to end well), "traffic" (left out with
                   --no-traffic)
  text output      is what the run before printed; "..." stands for anything, also for whole lines
Everything else is for readers only. --address puts other addresses in place of the page's.
"""
import re, subprocess, sys


def blocks(text):
    for info, body in re.findall(r"^```(\S[^\n]*)\n(.*?)^```$", text, re.M | re.S):
        kind, *marks = info.split()
        yield kind, marks, body


def run(marks, body):
    command = ["bash", "-e", "-o", "pipefail", "-c", body]
    if "watch" in marks: # --foreground: one signal to the program, none to its group
        command = ["timeout", "--foreground", "--preserve-status", "-s", "INT", "-k", "10", "2", "bash", "-c", "exec " + body]
    p = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120)
    out = p.stdout.decode(errors="backslashreplace")
    if (p.returncode != 0) != ("fails" in marks):
        raise SystemExit(f"exit code {p.returncode} of:\n{body}\nwhich printed:\n{out}")
    return out


def matches(wanted, out):
    pattern = "".join(r"(?:.*\n)*?" if line == "..." else
                      ".*".join(re.escape(part) for part in line.split("...")) + r"\n"
                      for line in wanted.splitlines())
    return re.fullmatch(pattern, out)


def main():
    args, traffic, last, runs = sys.argv[1:], True, None, 0
    swaps = []
    while args[0].startswith("--"):
        option = args.pop(0)
        if option == "--no-traffic":
            traffic = False
        elif option == "--address":
            swaps.append(args.pop(0).split("="))
    text = open(args[0], encoding="utf-8").read()
    for old, new in swaps:
        text = text.replace(old, new)
    for kind, marks, body in blocks(text):
        name = next((m[5:] for m in marks if m.startswith("file=")), None)
        if name:
            open(name, "w", encoding="utf-8").write(body)
        elif "run" in marks:
            last = run(marks, body) if traffic or "traffic" not in marks else None
            runs += last is not None
        elif "output" in marks and last is not None and not matches(body, last):
            raise SystemExit(f"the page shows:\n{body}\nbut this was printed:\n{last}")
    print(f"{runs} blocks run as shown")


main()
