"""Times the three products of convolutions in PyTorch: lines of JSON for scripts/bench-convolution.ts.

    python scripts/peers/torch_convolution.py THREADS first|last < layers.json

Each line of the input asks for one round: `{"layer": [...]}`; the answer has
milliseconds, of the clock or, with one thread, of the processor.
"""

import json
import sys
import time

import torch

THREADS = int(sys.argv[1])
LAYOUT = torch.channels_last if sys.argv[2] == "last" else torch.contiguous_format
torch.set_num_threads(THREADS)
now = time.process_time if THREADS == 1 else time.perf_counter


def products(batch, side, inputs, outputs, kernel, stride, groups):
    x = torch.randn(batch, inputs, side, side).to(memory_format=LAYOUT)
    w = torch.randn(outputs, inputs // groups, kernel, kernel).to(memory_format=LAYOUT)
    options = [[stride, stride], [kernel // 2, kernel // 2], [1, 1], False, [0, 0], groups]
    y = torch.ops.aten.convolution(x, w, None, *options)
    back = lambda mask: torch.ops.aten.convolution_backward(y, x, w, None, *options, mask)
    return {
        "forward": lambda: torch.ops.aten.convolution(x, w, None, *options),
        "image": lambda: back([True, False, False]),
        "kernel": lambda: back([False, True, False]),
    }


known = {}
for line in sys.stdin:
    asked = json.loads(line)
    key = tuple(asked["layer"])
    run = known.setdefault(key, products(*key))
    times = {}
    for name, f in run.items():
        started = now()
        f()
        times[name] = (now() - started) * 1000
    print(json.dumps(times), flush=True)
