#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Drive a real weir over the fake data plane: usage test_daemon.py WEIR_CTRL_TEST [TEST...]

Each test has a daemon of its own in a scratch folder, ends it with SIGTERM and wants exit status 0,
so that a build with sanitizers also tells what was lost.
"""
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import urllib.error
import urllib.request

WEIR = None
HOST = "httpbin.sample-app.svc.cluster.local"


def service(name=HOST):
    return f"""apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{name: httpbin}}
spec:
  hosts: [{name}]
  ports: [{{number: 80, name: http, protocol: HTTP}}]
  resolution: STATIC
  endpoints:
  - {{address: 10.0.0.11, labels: {{version: v1}}}}
  - {{address: 10.0.0.12, labels: {{version: v2}}}}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {{name: httpbin}}
spec:
  host: {name}
  subsets:
  - {{name: v1, labels: {{version: v1}}}}
  - {{name: v2, labels: {{version: v2}}}}
"""


def canary(v1, v2, name="httpbin"):
    return f"""apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: {name}}}
spec:
  hosts: [{HOST}]
  http:
  - name: canary
    route:
    - {{destination: {{host: {HOST}, subset: v1}}, weight: {v1}}}
    - {{destination: {{host: {HOST}, subset: v2}}, weight: {v2}}}
"""


def documents(*texts):
    return [{"name": f"{i}.yaml", "text": text} for i, text in enumerate(texts)]


class Refused(Exception):
    def __init__(self, error):
        super().__init__(error["message"])
        self.code = error["code"]
        self.data = error["data"]


class Client:
    def __init__(self, path, timeout=30):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(timeout)
        try:
            self.socket.connect(path)
        except OSError:
            self.socket.close()
            raise
        self.file = self.socket.makefile("rb")
        self.n = 0

    def send(self, method, **params):
        self.n += 1
        message = {"jsonrpc": "2.0", "id": self.n, "method": method, "params": params}
        self.socket.sendall(json.dumps(message).encode() + b"\n")

    def answer(self):
        return json.loads(self.file.readline())

    def call(self, method, **params):
        self.send(method, **params)
        answer = self.answer()
        if "error" in answer:
            raise Refused(answer["error"])
        return answer["result"]

    def close(self):
        self.file.close()
        self.socket.close()


class Daemon(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix="weir-test-")
        self.path = os.path.join(self.dir, "control.sock")
        self.routing = os.path.join(self.dir, "routing")
        self.process = None
        self.clients = []
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            self.port = s.getsockname()[1]

    def tearDown(self):
        for client in self.clients:
            client.close()
        if self.process:
            self.assertEqual(self.end(), 0, self.log())
        shutil.rmtree(self.dir)

    def start(self, extra="", directory=False, **env):
        """Start a daemon and wait until it answers."""
        conf = os.path.join(self.dir, "weir.yaml")
        if directory:
            os.makedirs(self.routing, exist_ok=True)
            extra += f"routing: {{directory: {self.routing}}}\n"
        with open(conf, "w") as f:
            f.write(f"ports: [{{device: fake}}]\nworkers: [0, 0]\nstate: {{directory: {self.dir}/state}}\n"
                    f"metrics: {{address: '127.0.0.1:{self.port}'}}\n{extra}")
            if "control:" not in extra:
                f.write(f"control: {{socket: {self.path}}}\n")
        with open(os.path.join(self.dir, "log"), "a") as log:
            self.process = subprocess.Popen([WEIR, "-c", conf], stderr=log,
                                            env={**os.environ, **{k: str(v) for k, v in env.items()}})
        self.until(lambda: self.process.poll() is not None or self.answers())
        return self.client() if self.process.poll() is None else None

    def answers(self):
        try:
            Client(self.path).close()
            return True
        except OSError:
            return False

    def client(self, timeout=30):
        self.clients.append(Client(self.path, timeout))
        return self.clients[-1]

    def end(self, number=signal.SIGTERM):
        process, self.process = self.process, None
        process.send_signal(number)
        return process.wait(20)

    def log(self):
        with open(os.path.join(self.dir, "log")) as f:
            return f.read()

    def until(self, condition, seconds=15):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if condition():
                return
            time.sleep(0.02)
        self.fail("waited in vain\n" + self.log())

    def refused(self, code, call, *args, **params):
        with self.assertRaises(Refused) as caught:
            call(*args, **params)
        self.assertEqual(caught.exception.code, code, caught.exception)
        return caught.exception

    def results(self, answer):
        return [(o["kind"], o["name"], o["result"]) for o in answer["objects"]]

    # ---- changes ----

    def test_apply_get_delete(self):
        c = self.start()
        answer = c.call("apply", documents=documents(canary(90, 10), service()), namespace="sample-app")
        self.assertEqual(self.results(answer), [("VirtualService", "httpbin", "created"),
                                                ("ServiceEntry", "httpbin", "created"),
                                                ("DestinationRule", "httpbin", "created")])
        self.assertEqual((answer["generation"], answer["in_effect"]), (2, True))
        self.assertGreater(answer["effect_ns"], 0)
        again = c.call("apply", documents=documents(canary(90, 10)), namespace="sample-app")
        self.assertEqual(self.results(again), [("VirtualService", "httpbin", "unchanged")])
        self.assertEqual(again["generation"], 2)
        changed = c.call("apply", documents=documents(canary(70, 30)), namespace="sample-app")
        self.assertEqual(self.results(changed), [("VirtualService", "httpbin", "configured")])
        item = c.call("get", kind="vs", name="httpbin", namespace="sample-app")["items"][0]
        self.assertEqual(item["object"]["spec"]["http"][0]["route"][0]["weight"], 70)
        self.assertEqual((item["origin"], item["file"]), ("applied", "0.yaml"))
        self.assertIn("weight: 70", item["yaml"])
        self.assertEqual(c.call("get", kind="vs")["items"], [])
        self.assertEqual(len(c.call("get", all_namespaces=True)["items"]), 3)
        gone = c.call("delete", objects=[{"kind": "vs", "namespace": "sample-app", "name": "httpbin"}])
        self.assertEqual(self.results(gone), [("VirtualService", "httpbin", "deleted")])
        self.refused(-32002, c.call, "get", kind="vs", name="httpbin", namespace="sample-app")
        self.refused(-32002, c.call, "delete", objects=[{"kind": "vs", "name": "httpbin"}])
        quiet = c.call("delete", objects=[{"kind": "vs", "name": "httpbin"}], ignore_not_found=True)
        self.assertEqual(quiet["objects"], [])
        self.assertEqual(c.call("status")["objects"]["ServiceEntry"], 1)

    def test_a_bad_document_changes_nothing(self):
        c = self.start()
        c.call("apply", documents=documents(service(), canary(90, 10)))
        bad = canary(50, 50, "second").replace("weight: 50", "weight: -5", 1)
        e = self.refused(-32001, c.call, "apply", documents=documents(canary(1, 99), bad))
        d = e.data["diagnostics"][0]
        self.assertEqual((d["file"], d["object"], d["severity"]),
                         ("1.yaml", "VirtualService default/second", "error"))
        self.assertEqual(d["field"], "spec.http[0].route[0].weight")
        self.assertGreater(d["line"] * d["column"], 0)
        self.refused(-32001, c.call, "apply", documents=documents("a: [\n"))
        self.refused(-32001, c.call, "apply", documents=documents(""))
        self.assertEqual(c.call("get", kind="vs")["items"][0]["object"]["spec"]["http"][0]["route"][0]["weight"], 90)
        status = c.call("status")
        self.assertEqual((status["generation"], status["changes"]["refused"]), (2, 3))

    def test_trials_change_nothing(self):
        c = self.start()
        c.call("apply", documents=documents(service(), canary(90, 10)))
        dry = c.call("apply", documents=documents(canary(70, 30)), dry_run=True)
        self.assertEqual(self.results(dry), [("VirtualService", "httpbin", "configured")])
        self.assertEqual((dry["generation"], dry["dry_run"]), (2, True))
        diff = c.call("diff", documents=documents(canary(70, 30), canary(1, 1, "new").replace(HOST, "b.com", 1)))
        old, new = diff["objects"]
        self.assertIn("weight: 90", old["before"])
        self.assertIn("weight: 70", old["after"])
        self.assertEqual((new["result"], new["before"]), ("created", None))
        self.assertTrue(c.call("validate", documents=documents(service()))["valid"])
        invalid = c.call("validate", documents=documents(canary(1, 1).replace("http:", "htpp:")))
        self.assertFalse(invalid["valid"])
        self.assertEqual(invalid["diagnostics"][0]["severity"], "error")
        status = c.call("status")
        self.assertEqual((status["generation"], status["store"]["generation"]), (2, 2))
        self.assertEqual(status["changes"]["accepted"], 1)

    def test_a_hundred_changes_from_many_clients(self):
        c = self.start()
        c.call("apply", documents=documents(service()))
        failures = []

        def work(client, first):
            try:
                for i in range(10):
                    client.call("apply", documents=documents(canary(first + i, 100)))
                    client.call("status")
            except Exception as e:
                failures.append(e)

        threads = [threading.Thread(target=work, args=(self.client(), 1 + n * 10)) for n in range(10)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.assertEqual(failures, [])
        status = c.call("status")
        self.assertEqual((status["generation"], status["changes"]["accepted"]), (102, 101))

    def test_a_thousand_changes_leave_nothing_behind(self):
        c = self.start()
        c.call("apply", documents=documents(service()))
        process = f"/proc/{self.process.pid}"

        def change(n):
            for i in range(n):
                c.call("apply", documents=documents(canary(90, 10) if i % 2 else canary(1 + i % 97, 99)))

        def resident():
            with open(process + "/status") as f:
                return int(re.search(r"RssAnon:\s+(\d+) kB", f.read())[1])

        change(200)
        files, memory = len(os.listdir(process + "/fd")), resident()
        change(800)
        self.assertEqual(len(os.listdir(process + "/fd")), files)
        stored = [f for f in os.listdir(self.dir + "/state") if f.endswith(".yaml")]
        self.assertLessEqual(len(stored), 5)  # two sets and what leads from the one to the other and on
        self.assertLess(sum(os.path.getsize(f"{self.dir}/state/{f}") for f in stored), 1 << 20)
        with open(WEIR, "rb") as f:
            sanitized = b"__asan_init" in f.read()
        if not sanitized:  # which keeps freed memory for a while
            self.assertLess(resident() - memory, 2048)

    def test_wait_and_timeout(self):
        c = self.start(WEIR_FAKE_DELAY_MS=400)
        e = self.refused(-32004, c.call, "apply", documents=documents(service()), timeout_ms=20)
        self.assertEqual(e.data["generation"], 2)
        self.assertFalse(c.call("apply", documents=documents(canary(1, 1)), wait=False)["in_effect"])
        c.send("wait")
        c.send("version")  # a call that waits does not hold up the next one
        first, second = c.answer(), c.answer()
        self.assertIn("protocol", first["result"])
        self.assertTrue(second["result"]["in_effect"])
        self.refused(-32602, c.call, "wait", generation=99)

    def test_route_says_which_way(self):
        c = self.start()
        c.call("apply", documents=documents(service(), canary(90, 10)))
        found = c.call("route", url=f"http://{HOST}/get", headers=["X-A: b"])
        self.assertEqual(found["generation"], 2)
        self.assertIn("canary", json.dumps(found["explanation"]))
        self.refused(-32602, c.call, "route", url="gopher:/x")
        self.refused(-32602, c.call, "route", url="http://a/", headers=[1])

    # ---- what stays ----

    def test_kill_and_restart(self):
        c = self.start()
        c.call("apply", documents=documents(service(), canary(90, 10)))
        c.call("apply", documents=documents(canary(70, 30)))
        before = c.call("get", all_namespaces=True)["items"]
        self.process.kill()
        self.process.wait()
        self.assertTrue(os.path.exists(self.path))  # left behind, and no obstacle
        c = self.start()
        after = c.call("get", all_namespaces=True)
        self.assertEqual([i["object"] for i in after["items"]], [i["object"] for i in before])
        self.assertEqual(after["generation"], 3)
        self.assertEqual(c.call("apply", documents=documents(canary(70, 30)))["objects"][0]["result"], "unchanged")

    def test_age_orders_rules_of_one_host(self):
        """As in Istio the older VirtualService goes first; a change of it, a restart and an export keep its age."""
        route = {"url": f"http://{HOST}/"}
        first = lambda c: c.call("route", **route)["explanation"]["chosen"]["virtual_service"]
        created = lambda c, name: c.call("get", kind="vs", name=name)["items"][0]["object"]["metadata"]["creationTimestamp"]
        c = self.start()
        before = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        c.call("apply", documents=documents(service(), canary(90, 10, "zebra")))
        age = created(c, "zebra")
        self.assertLessEqual(before, age)
        self.assertIn(f"creationTimestamp: \"{age}\"", c.call("get", kind="vs", name="zebra")["items"][0]["yaml"])
        time.sleep(1.1)  # ages are in seconds
        c.call("apply", documents=documents(canary(1, 1, "ant")))
        self.assertGreater(created(c, "ant"), age)
        self.assertEqual(first(c), "default/zebra")
        diff = c.call("diff", documents=documents(canary(90, 10, "zebra")))["objects"][0]
        self.assertEqual((diff["result"], diff["before"]), ("unchanged", diff["after"]))
        self.assertNotIn("creationTimestamp", diff["after"])
        export = c.call("get", kind="vs", name="zebra")["items"][0]["yaml"]
        for text, result in ((export, "unchanged"), (canary(90, 10, "zebra"), "unchanged"),
                             (canary(80, 20, "zebra"), "configured")):
            self.assertEqual(c.call("apply", documents=documents(text))["objects"][0]["result"], result)
            self.assertEqual(created(c, "zebra"), age)
        self.end()
        c = self.start()
        self.assertEqual((created(c, "zebra"), first(c)), (age, "default/zebra"))
        self.assertEqual(c.call("get", kind="vs", name="zebra")["items"][0]["file"], "applied (stored)")
        old = canary(1, 1, "bee").replace("{name: bee}", "{name: bee, creationTimestamp: '2020-01-02T03:04:05Z'}")
        c.call("apply", documents=documents(old))
        self.assertEqual((created(c, "bee"), first(c)), ("2020-01-02T03:04:05Z", "default/bee"))

    def test_kill_in_the_middle_of_changes(self):
        self.start().call("apply", documents=documents(service()))
        last = 0
        for turn in range(5):
            c = self.client()
            try:
                for i in range(1000):
                    if i == 3 + turn:
                        threading.Timer(0.002 * turn, self.process.kill).start()
                    c.call("apply", documents=documents(canary(last + 1, 100)))
                    last += 1
            except (OSError, ValueError):
                pass
            self.process.wait()
            weight = self.start().call("get", kind="vs")["items"][0]["object"]["spec"]["http"][0]["route"][0]["weight"]
            self.assertIn(weight, (last, last + 1))  # the answer to the last one may have been lost
            last = weight

    def test_a_stored_set_may_be_larger_than_a_file(self):
        """Each file is within the bounds on values (500,000) and both together are not."""
        hosts = lambda i: ", ".join(f"h{k}.s{i}.example.com" for k in range(100))
        c = self.start()
        for part in range(2):
            entries = "---\n".join(
                f"""apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{name: s{i}}}
spec: {{hosts: [{hosts(i)}], ports: [{{number: 80, name: http, protocol: HTTP}}], resolution: STATIC}}
""" for i in range(part * 2500, part * 2500 + 2500))
            c.call("apply", documents=documents(entries))
        self.end()
        status = self.start().call("status")
        self.assertEqual((status["objects"]["ServiceEntry"], status["problems"]), (5000, []))

    def stored(self, name):
        return sorted(f"{self.dir}/state/{f}" for f in os.listdir(self.dir + "/state") if f.startswith(name))

    def test_a_damaged_change_gives_what_was_before(self):
        c = self.start()
        c.call("apply", documents=documents(service()))
        c.call("apply", documents=documents(canary(1, 2)))
        self.end()
        with open(self.stored("journal-")[-1], "r+b") as f:
            f.seek(-2, os.SEEK_END)
            f.write(b"X")
        c = self.start()
        status = c.call("status")
        self.assertEqual((status["objects"]["ServiceEntry"], status["objects"]["VirtualService"]), (1, 0))
        self.assertIn("is damaged", status["problems"][0]["message"])
        self.assertGreater(c.call("apply", documents=documents(canary(1, 2)))["generation"], 3)
        self.end()
        status = self.start().call("status")
        self.assertEqual((status["objects"]["ServiceEntry"], status["objects"]["VirtualService"]), (1, 1))
        self.assertEqual(status["problems"], [])

    def test_a_change_that_the_power_cut_short_was_never_made(self):
        c = self.start()
        c.call("apply", documents=documents(service()))
        c.call("apply", documents=documents(canary(1, 2)))
        c.call("delete", objects=[{"kind": "vs", "name": "httpbin"}])
        c.call("apply", documents=documents(canary(3, 4)))
        self.end()
        path = self.stored("journal-")[-1]
        for weights in ([], [5, 6]):
            os.truncate(path, os.path.getsize(path) - 3)
            c = self.start()
            status = c.call("status")
            self.assertEqual((status["objects"]["ServiceEntry"], status["objects"]["VirtualService"]), (1, 0))
            self.assertEqual(status["problems"], [])
            if weights:
                c.call("apply", documents=documents(canary(*weights)))
                self.end()
                route = self.start().call("get", kind="vs")["items"][0]["object"]["spec"]["http"][0]["route"]
                self.assertEqual([d["weight"] for d in route], weights)
                return
            c.call("apply", documents=documents(canary(3, 4)))
            self.end()

    def test_a_stored_set_that_is_refused_does_not_stop_the_start(self):
        self.start().call("apply", documents=documents(service()))
        self.end()
        os.unlink(self.stored("journal-")[0])
        path = f"{self.dir}/state/set-{2:020d}.yaml"
        text = "kind: VirtualService\napiVersion: networking.istio.io/v1\nmetadata: {name: a}\nspec: {purple: 1}\n"
        h = 0xcbf29ce484222325
        for b in text.encode():
            h = (h ^ b) * 0x100000001b3 % 2**64
        with open(path, "w") as f:
            f.write(f"# weir set generation={2:020d} bytes={len(text):020d} fnv1a={h:016x}\n{text}")
        c = self.start()
        status = c.call("status")
        self.assertEqual(sum(status["objects"].values()), 0)
        self.assertEqual(status["problems"][0]["object"], "VirtualService default/a")
        self.assertTrue(os.path.exists(path.replace(".yaml", ".damaged")))
        c.call("apply", documents=documents(service()))

    def test_a_state_directory_that_cannot_be_written(self):
        c = self.start()
        c.call("apply", documents=documents(service()))
        shutil.rmtree(self.dir + "/state")
        self.refused(-32005, c.call, "apply", documents=documents(canary(1, 2)))
        status = c.call("status")
        self.assertEqual((status["generation"], status["objects"]["VirtualService"]), (2, 0))

    # ---- the routing directory ----

    def write(self, name, text):
        with open(os.path.join(self.routing, name), "w") as f:
            f.write(text)

    def test_the_directory_is_read_watched_and_wins(self):
        os.makedirs(self.routing)
        self.write("service.yaml", service())
        c = self.start(directory=True)
        self.assertEqual(c.call("status")["objects"]["ServiceEntry"], 1)
        c.call("apply", documents=documents(canary(90, 10)))
        e = self.refused(-32003, c.call, "apply", documents=documents(service()))
        self.assertTrue(e.data["diagnostics"][0]["file"].endswith("service.yaml"))
        self.refused(-32003, c.call, "delete", objects=[{"kind": "se", "name": "httpbin"}])
        self.write("canary.yaml", canary(50, 50))
        self.until(lambda: c.call("get", kind="vs")["items"][0]["origin"] == "directory")
        status = c.call("status")
        self.assertIn("hides the applied object", status["problems"][0]["message"])
        self.write("canary.yaml", "spec: [")
        self.until(lambda: c.call("status")["directory"]["error"])
        self.assertEqual(c.call("get", kind="vs")["items"][0]["origin"], "directory")
        os.unlink(os.path.join(self.routing, "canary.yaml"))
        self.until(lambda: c.call("get", kind="vs")["items"][0]["origin"] == "applied")
        self.assertIsNone(c.call("status")["directory"]["error"])

    def test_the_directory_as_kubernetes_mounts_it(self):
        def swap(version, text):
            os.makedirs(f"{self.routing}/..{version}")
            with open(f"{self.routing}/..{version}/canary.yaml", "w") as f:
                f.write(text)
            os.symlink(f"..{version}", f"{self.routing}/..data_tmp")
            os.rename(f"{self.routing}/..data_tmp", f"{self.routing}/..data")

        os.makedirs(self.routing)
        swap("1", service() + "---\n" + canary(90, 10))
        os.symlink("..data/canary.yaml", f"{self.routing}/canary.yaml")
        c = self.start(directory=True)
        swap("2", service() + "---\n" + canary(60, 40))
        self.until(lambda: "weight: 60" in c.call("get", kind="vs")["items"][0]["yaml"])

    def test_hangup_and_reload(self):
        c = self.start(directory=True)
        self.assertEqual(c.call("reload")["objects"], [])
        self.write("service.yaml", service())
        self.assertEqual(len(c.call("reload")["objects"]), 2)
        self.process.send_signal(signal.SIGHUP)
        self.until(lambda: " hangup " in self.log())
        self.assertEqual(c.call("status")["objects"]["ServiceEntry"], 1)

    def test_reload_needs_a_directory(self):
        self.refused(-32602, self.start().call, "reload")

    # ---- hostile clients ----

    def test_messages_of_every_shape(self):
        c = self.start("control: {socket: SOCKET, message_limit: 65536}\n".replace("SOCKET", self.path))
        for b in b'{"jsonrpc": "2.0", "id": 1, "method": "version"}\r\n\n':
            c.socket.sendall(bytes([b]))
        self.assertEqual(c.answer()["result"]["name"], "weir")
        c.socket.sendall(b"\x00\xff{\n")
        self.assertEqual(c.answer()["error"]["code"], -32700)
        c.socket.sendall(b'[{"jsonrpc":"2.0","id":1,"method":"version"},{"jsonrpc":"2.0","method":"version"},1]\n')
        self.assertEqual([a["id"] for a in c.answer()], [1, None])
        e = self.refused(-32601, c.call, "aply")
        self.assertIn('did you mean "apply"', str(e))
        e = self.refused(-32602, c.call, "apply", documents=[], dryrun=True)
        self.assertIn("dryrun", str(e))
        self.refused(-32602, c.call, "apply")
        self.refused(-32602, c.call, "apply", documents=[{"name": "a"}])
        self.refused(-32602, c.call, "apply", documents="a")
        c.socket.sendall(b'{"jsonrpc":"2.0","id":9,"method":"status"}\n')
        c.socket.shutdown(socket.SHUT_WR)  # half-closed, and still answered
        self.assertEqual(c.answer()["id"], 9)
        self.assertEqual(c.file.readline(), b"")
        self.assertEqual(self.client().call("version")["protocol"], 1)

    def test_a_giant_message_is_refused(self):
        other = self.start(f"control: {{socket: {self.path}, message_limit: 65536}}\n")
        c = self.client()
        try:
            for _ in range(64):
                c.socket.sendall(b"x" * 4096)
        except OSError:
            pass
        self.assertEqual(c.answer()["error"]["code"], -32007)
        self.assertEqual(other.call("version")["name"], "weir")

    def test_a_client_that_does_not_read_is_cut_off(self):
        other = self.start()
        c = self.client()
        c.socket.settimeout(20)
        message = b'{"jsonrpc":"2.0","id":1,"method":"counters"}\n' * 64
        with self.assertRaises(OSError):
            for _ in range(2000):
                c.socket.sendall(message)
        self.assertEqual(other.call("version")["name"], "weir")
        self.assertIn("client-cut-off", self.log())

    def test_half_messages_of_many_clients_are_bounded(self):
        other = self.start(f"control: {{socket: {self.path}, message_limit: 4Mi}}\n")
        crowd = [self.client() for _ in range(40)]
        cut = 0
        for c in crowd:
            try:
                c.socket.sendall(b"x" * (3 << 20))
            except OSError:
                cut += 1
        self.assertEqual(other.call("version")["name"], "weir")
        self.until(lambda: "all clients together hold too much" in self.log())
        self.assertLess(cut, 25)

    def test_many_clients_that_come_and_go(self):
        other = self.start()
        for _ in range(5):
            crowd = [Client(self.path) for _ in range(200)]
            for i, c in enumerate(crowd):
                c.socket.sendall(b'{"jsonrpc":"2.0","id":1,"method":"sta' if i % 2 else
                                 b'{"jsonrpc":"2.0","id":1,"method":"apply","params":{"documents":[]}}\n')
                c.close()
        self.assertEqual(other.call("version")["name"], "weir")

    def test_access_to_the_socket(self):
        self.start(f"control: {{socket: {self.path}, mode: 0600}}\n")
        self.assertEqual(os.stat(self.path).st_mode & 0o777, 0o600)

    def test_a_second_daemon_is_refused(self):
        self.start()
        again = subprocess.run([WEIR, "-c", f"{self.dir}/weir.yaml"], capture_output=True, text=True, timeout=20)
        self.assertEqual(again.returncode, 1)
        self.assertIn("in use by another weir", again.stderr)
        with open(f"{self.dir}/weir.yaml") as f:
            text = f.read().replace("/state}", "/state2}")
        with open(f"{self.dir}/other.yaml", "w") as f:
            f.write(text)
        again = subprocess.run([WEIR, "-c", f"{self.dir}/other.yaml"], capture_output=True, text=True, timeout=20)
        self.assertEqual(again.returncode, 1)
        self.assertIn("another weir answers on", again.stderr)
        self.assertEqual(self.client().call("version")["name"], "weir")

    # ---- names ----

    def test_a_name_is_looked_up_before_its_service_is_used(self):
        c = self.start("routing: {resolve_interval: 100ms}\n")
        dns = service("local.example.com").split("---")[0].replace("STATIC", "DNS")
        dns = re.sub(r"  endpoints:.*", "  endpoints: [{address: localhost}, {address: no-such-host.invalid}]\n",
                     dns, flags=re.S)
        c.call("apply", documents=documents(dns, canary(1, 1).replace(", subset: v1", "").replace(", subset: v2", "")
                                            .replace(HOST, "local.example.com")))
        names = {n["host"]: n for n in c.call("status")["names"]}
        self.assertIn("127.0.0.1", names["localhost"]["addresses"])
        self.assertIsNotNone(names["no-such-host.invalid"]["error"])
        self.assertIn("127.0.0.1", [e["address"] for e in c.call("stats")["endpoints"]])
        c.call("delete", documents=documents(dns))
        self.assertEqual(c.call("status")["names"], [])

    def test_no_number_is_given_twice(self):
        """New addresses take a number too, and it survives kill -9."""
        c = self.start()
        dns = re.sub(r"  endpoints:.*", "  endpoints: [{address: localhost}]\n",
                     service("local.example.com").split("---")[0].replace("STATIC", "DNS"), flags=re.S)
        seen = c.call("apply", documents=documents(dns))["generation"]
        for _ in range(3):
            self.process.kill()
            self.process.wait()
            c = self.start()
            self.until(lambda: c.call("stats")["generation"] > seen)  # the name is looked up anew
            now = c.call("status")
            self.assertEqual((now["store"]["generation"], now["objects"]["ServiceEntry"]), (now["generation"], 1))
            seen = now["generation"]

    # ---- figures ----

    def page(self, path):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=10) as r:
                return r.status, r.read().decode()
        except urllib.error.HTTPError as e:
            return e.code, e.read().decode()

    def test_stats_and_metrics_agree(self):
        c = self.start(WEIR_FAKE_REQUESTS=1000, WEIR_FAKE_CLIENTS=0)
        c.call("apply", documents=documents(service(), canary(90, 10)))
        route = c.call("stats")["routes"][0]
        seen = [(d["subset"], d["asked"], d["seen"], d["requests"]) for d in route["destinations"]]
        self.assertEqual(seen, [("v1", 0.9, 0.9, 900), ("v2", 0.1, 0.1, 100)])
        self.assertEqual(route["status"]["2xx"], 1000)
        self.assertEqual(route["latency_us"]["p50"], 496)
        self.assertEqual(c.call("stats", route="nothing")["routes"], [])
        status, text = self.page("/metrics")
        self.assertEqual(status, 200)
        labels = f'route="default/httpbin/canary",host="{HOST}",subset="v1",port="80"'
        self.assertIn(f"weir_destination_requests_total{{{labels}}} 900\n", text)
        self.assertIn(f'weir_destination_responses_total{{{labels},class="2xx"}} 900\n', text)
        self.check_exposition(text)
        latency = "weir_destination_latency_seconds"
        for le, n in (("0.000128", 0), ("0.000256", 0), ("0.000512", 900), ("16.777216", 900), ("+Inf", 900)):
            self.assertIn(f'{latency}_bucket{{{labels},le="{le}"}} {n}\n', text)
        self.assertIn(f"{latency}_sum{{{labels}}} 0.450000\n{latency}_count{{{labels}}} 900\n", text)
        totals = c.call("stats")["totals"]
        self.assertEqual(totals["latency_us"]["buckets"], {"512": 1000})
        self.assertEqual(self.sum_of(text, "weir_destination_requests_total"), totals["requests"])
        self.assertEqual(self.sum_of(text, "weir_destination_responses_total"), sum(totals["status"].values()))
        self.assertEqual(self.sum_of(text, "weir_destination_receive_bytes_total"), totals["rx_bytes"])
        self.assertEqual(self.sum_of(text, f"{latency}_count"), totals["latency_us"]["count"])
        self.assertEqual(self.sum_of(text, "weir_worker_http_requests_total"), totals["requests"])
        c.call("apply", documents=documents(canary(90, 10).replace("canary", "'a\"b\\c'")))
        text = self.page("/metrics")[1]
        self.assertIn('route="default/httpbin/a\\"b\\\\c"', text)
        self.check_exposition(text)

    def test_connections_are_reported_like_requests(self):
        c = self.start()
        with open(os.path.join(os.path.dirname(__file__), "../cli/data/l4.yaml")) as text:
            c.call("apply", documents=documents(text.read()))
        listeners = [(l["name"], l["protocol"], l["hosts"], l["route"]) for l in c.call("status")["listeners"]]
        self.assertEqual(listeners, [("default/edge/db", "tcp", 0, "default/db/tcp[1]"),
                                     ("default/edge/quic", "quic", 0, "default/db/tcp[0]"),
                                     ("default/edge/tls", "tls", 1, None)])
        stats = c.call("stats")
        self.assertEqual({r["name"]: (r["of"], r["listeners"], [d["forward"] for d in r["destinations"]]) for r in stats["routes"]},
                         {"default/db/tcp[1]": ("connections", ["default/edge/db"], ["ipip", "gue"]),
                          "default/db/tcp[0]": ("connections", ["default/edge/quic"], ["ipip"]),
                          "default/db/tls[0]": ("connections", ["default/edge/tls"], ["stream"])})
        self.assertEqual(len({e["cluster"] for e in stats["endpoints"]}), 4)
        self.assertIn('weir_destination_share_asked{route="default/db/tcp[1]"', self.page("/metrics")[1])
        told = c.call("route", url="tls://a.example.com:443", alpn="h2")["explanation"]
        self.assertEqual(told["chosen"]["destinations"][0]["forward"], "stream")
        with self.assertRaisesRegex(Refused, "has no good port"):
            c.call("route", url="tcp://a")

    def test_workers(self):
        warning = "port edge0 is far"
        c = self.start(WEIR_FAKE_REQUESTS=1001, WEIR_FAKE_CLIENTS=0, WEIR_FAKE_WARNING=warning)
        self.assertIn(warning, self.log())
        c.call("apply", documents=documents(service(), canary(90, 10)))
        before, after = c.call("workers"), c.call("workers")
        self.assertEqual(before["warnings"], [warning])
        self.assertEqual((before["state"], before["generation"]), ("serving", 2))
        self.assertGreater(after["time_ns"], before["time_ns"])
        self.assertEqual([(w["worker"], w["socket"], w["picks"], w["requests"]) for w in before["workers"]],
                         [(0, 0, 501, 501), (1, 1, 500, 500)])
        self.assertGreater(after["workers"][1]["cpu_ns"], before["workers"][1]["cpu_ns"])
        self.assertEqual([w["picks"] for w in c.call("workers", route="default/httpbin/can")["workers"]], [501, 500])
        self.assertEqual([w["picks"] for w in c.call("workers", route="nothing")["workers"]], [0, 0])
        status = c.call("status")
        self.assertEqual([(p["code"], p["message"]) for p in status["problems"]], [("NUMA", warning)])
        self.assertEqual([p["socket"] for p in status["ports"]], [None])
        text = self.page("/metrics")[1]
        core = status["workers"][1]["core"]
        self.assertIn(f'weir_per_worker_requests_total{{worker="1",core="{core}",socket="1"}} 500\n', text)
        self.assertIn(f'weir_per_worker_busy_seconds_total{{worker="1",core="{core}",socket="1"}} 0.000000000\n', text)
        self.assertEqual(self.sum_of(text, "weir_per_worker_picks_total"), 1001)

    def test_a_port_beside_its_profile(self):
        with tempfile.TemporaryDirectory() as folder:
            profiles = os.path.join(os.path.dirname(__file__), "../../drivers-cfg")
            shutil.copy(os.path.join(profiles, "gve.yaml"), folder)
            with open(os.path.join(folder, "bad.yaml"), "w") as bad:
                bad.write("family: bad\n")
            c = self.start(WEIR_FAKE_DRIVER="net_gve", WEIR_DRIVERS_CFG=folder)
        problems = c.call("status")["problems"]
        self.assertIn("NIC_PROFILE", {p["code"] for p in problems})
        trap = [p["message"] for p in problems if p["code"] == "NIC_TRAP"]
        self.assertEqual(len(trap), 1)
        self.assertRegex(trap[0], "port .* mtu above 1460 is refused.*; mtu: 1460 in weir.yaml")
        self.assertIn(trap[0], c.call("workers")["warnings"])
        self.assertIn(trap[0], self.log())

    def offload_warnings(self, extra):
        profiles = os.path.join(os.path.dirname(__file__), "../../drivers-cfg")
        c = self.start(extra, WEIR_FAKE_DRIVER="mlx5_pci", WEIR_FAKE_LEVEL=1, WEIR_DRIVERS_CFG=profiles)
        return [p["message"] for p in c.call("status")["problems"] if p["code"] == "NIC_OFFLOAD"]

    def test_a_port_below_its_family(self):
        said = self.offload_warnings("")
        self.assertEqual(len(said), 1)
        self.assertIn("rules of level mark only, and mlx5 cards take splice", said[0])

    def test_a_port_below_its_family_as_the_node_file_wants_it(self):
        self.assertEqual(self.offload_warnings("offload: {level: mark}\n"), [])

    def test_every_metric_is_on_the_page(self):
        self.start()
        families = self.check_exposition(self.page("/metrics")[1])
        rows = [f"| `{name}` | {kind} | {text} |" for name, (kind, text) in families.items()]
        with open(os.path.join(os.path.dirname(__file__), "../../docs/reference/metrics.md")) as page:
            told = [line.rstrip("\n") for line in page if re.match(r"\| `weir_\w+` \| (counter|gauge|histogram) ", line)]
        self.maxDiff = None
        self.assertEqual(told, rows)

    def sum_of(self, text, name):
        return sum(float(v) for v in re.findall(rf"^{name}(?:\{{.*\}})? (\S+)$", text, re.M))

    def check_exposition(self, text):
        """HELP, TYPE, samples; no family and no sample twice; names as their types want them; histograms rise."""
        families, samples, current, bucket = {}, set(), None, None
        self.assertTrue(text.endswith("\n"))
        for line in text.splitlines():
            if line.startswith("# HELP "):
                current, help_text = line.split(" ", 3)[2:]
                self.assertNotIn(current, families)
                families[current] = [None, help_text]
                continue
            if line.startswith("# TYPE "):
                _, _, name, kind = line.split(" ")
                self.assertEqual((name, families[name][0]), (current, None))
                self.assertIn(kind, ("counter", "gauge", "histogram"))
                self.assertEqual(name.endswith("_total"), kind == "counter", name)
                families[name][0] = kind
                continue
            m = re.fullmatch(r'([a-z][a-z0-9_]*)(?:\{((?:[a-z_]+="(?:\\[\\"n]|[^"\\\n])*"(?:,|(?=\})))+)\})? (\S+)', line)
            self.assertTrue(m, line)
            name, labels, value = m[1], m[2] or "", float(m[3])
            self.assertNotIn((name, labels), samples)
            samples.add((name, labels))
            suffix = name[len(current):]
            self.assertTrue(name.startswith(current), line)
            self.assertIn(suffix, ("_bucket", "_sum", "_count") if families[current][0] == "histogram" else ("",))
            if suffix == "_bucket":
                rest, le = re.fullmatch(r'(.*),le="(.*)"', labels).groups()
                if bucket and bucket[0] == rest:
                    self.assertGreater(float(le), bucket[1])
                    self.assertGreaterEqual(value, bucket[2])
                bucket = (rest, float(le), value)
            elif suffix == "_count":
                self.assertEqual(bucket, (labels, float("inf"), value))
        self.assertGreater(len(families), 60)
        return families

    def test_drops_and_counters(self):
        c = self.start()
        drops = c.call("drops")
        self.assertEqual(drops["received"], drops["ended"])
        self.assertEqual({e["class"] for e in drops["ends"]}, {"ok", "bad", "ours", "full"})
        self.assertEqual(len(drops["ends"][0]["per_worker"]), 2)
        self.assertIn("RX_PKTS", [k["name"] for k in c.call("counters")["counters"]])

    def test_health_and_drain(self):
        c = self.start()
        self.assertEqual(self.page("/healthz"), (200, "ok\n"))
        self.assertEqual(self.page("/readyz"), (200, "ready\n"))
        self.assertEqual(self.page("/nothing")[0], 404)
        self.assertEqual(c.call("drain")["state"], "draining")
        self.assertEqual(self.page("/readyz"), (503, "draining\n"))
        self.assertEqual(c.call("undrain")["state"], "serving")
        self.assertEqual(self.page("/readyz")[0], 200)

    # ---- the end ----

    def test_the_end_waits_for_clients_within_bounds(self):
        c = self.start("times: {drain: 1s}\n", WEIR_FAKE_CLIENTS=3)
        begin = time.monotonic()
        self.process.send_signal(signal.SIGINT)
        self.until(lambda: c.call("status")["state"] == "draining")
        self.assertEqual(self.process.wait(20), 0)
        self.assertGreater(time.monotonic() - begin, 0.9)
        self.assertIn("clients_left=3", self.log())
        self.process = None

    def test_a_second_signal_ends_at_once(self):
        self.start("times: {drain: 1h}\n", WEIR_FAKE_CLIENTS=3)
        self.process.send_signal(signal.SIGTERM)
        self.until(lambda: "draining" in self.log())
        self.process.send_signal(signal.SIGTERM)
        self.assertEqual(self.process.wait(10), 0)
        self.process = None

    def test_the_end_in_the_middle_of_changes(self):
        c = self.start(WEIR_FAKE_DELAY_MS=50)
        c.call("apply", documents=documents(service()))
        for i in range(40):
            c.send("apply", documents=documents(canary(i + 1, 7)))
        time.sleep(0.02)
        self.assertEqual(self.end(), 0, self.log())
        codes = set()
        for line in c.file:
            answer = json.loads(line)
            codes.add(answer.get("error", {}).get("code", 0))
        self.assertLessEqual(codes, {0, -32004, -32008})


if __name__ == "__main__":
    WEIR = os.path.abspath(sys.argv.pop(1))
    unittest.main()
