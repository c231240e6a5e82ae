"""Runs in Debian's Python: calls methods of a client of Ganeti's, a line of JSON each.

``rapi HOST USER PASSWORD``: the client of the remote API. ``luxi SOCKET``: that of LUXI, whose jobs
are made of Ganeti's own opcode objects.
"""

import importlib
import inspect
import json
import sys


def rapi(host, user, password):
    module = importlib.import_module("ganeti.rapi.client")
    return module.GanetiRapiClient(host, username=user, password=password)


def luxi(socket):
    return importlib.import_module("ganeti.luxi").Client(address=socket)


def job(ops):
    load = importlib.import_module("ganeti.opcodes").OpCode.LoadOpCode
    return [load(op) for op in ops]


def arguments(method, args):
    """What is sent as plain values, as the library wants it."""
    if method in ("SubmitJob", "SubmitJobToDrainedQueue"):
        return [job(args[0])]
    if method == "SubmitManyJobs":
        return [[job(ops) for ops in args[0]]]
    return args


def plain(result):
    return result.ToDict() if hasattr(result, "ToDict") else result


def main():
    client = {"rapi": rapi, "luxi": luxi}[sys.argv[1]](*sys.argv[2:])
    for line in sys.stdin:
        method, args, named = json.loads(line)
        try:
            if method == "methods":
                answer = {"result": [name for name, one in inspect.getmembers(client, callable)
                                     if name[0] != "_"]}
            else:
                answer = {"result": plain(getattr(client, method)(
                    *arguments(method, args), **named))}
        except Exception as exc:  # noqa: BLE001  # whatever it is, the test wants to know
            answer = {"error": [type(exc).__name__, str(exc), getattr(exc, "code", None)]}
        print(json.dumps(answer), flush=True)


main()
