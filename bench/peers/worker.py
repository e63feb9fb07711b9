"""What the workers share: a request is a line of JSON on standard input, its answer a line on
standard output. Data stay loaded from one request to the next."""
import json
import os
import statistics
import sys
import time

import numpy


def blackspot_engine(library, threads):
    sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
    import blackspot_ctypes
    return blackspot_ctypes.Engine(library, threads, "cpu")


class Rows:
    """The matrix of the last request, the first rows of a file in a type."""

    def __init__(self):
        self.key, self.x = None, None

    def load(self, request):
        key = (request["rows"], request.get("first"), request.get("dtype", "float32"))
        if key != self.key:
            self.x = None  # not both at once
            part = numpy.load(key[0], mmap_mode="r")[:key[1]]
            self.key, self.x = key, numpy.array(part, dtype=key[2])
        return self.x


def starting(x, start):
    """float64 centres from a file, or as many of the first rows; None stays None."""
    if start is None:
        return None
    return x[:start].astype(numpy.float64) if isinstance(start, int) else numpy.load(start)


def timed(call, times):
    """(what the last call returned, the median of the calls' seconds)"""
    seconds = []
    for _ in range(times):
        begin = time.perf_counter()
        found = call()
        seconds.append(time.perf_counter() - begin)
    return found, statistics.median(seconds)


def differing(values, request, far):
    """Keeps values in the file `save`, or counts the share far from those in the file `compare`."""
    if request.get("save"):
        numpy.save(request["save"], values)
    if request.get("compare"):
        return float(numpy.mean(far(values, numpy.load(request["compare"]))))
    return 0.0


def serve(tasks):
    """tasks: name -> function from request to answer."""
    for line in sys.stdin:
        request = json.loads(line)
        print(json.dumps(tasks[request.get("task", "fit")](request)), flush=True)
