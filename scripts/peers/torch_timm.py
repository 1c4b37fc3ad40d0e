"""Times the gradient and exact GR of timm's Swin and CaiT in PyTorch eager, for scripts/timm-times.ts:

    python scripts/peers/torch_timm.py GRAPH BATCH gradient|exact RUNS THREADS

GRAPH is a folder of graphs/, whose spec.json says the model. Prints a JSON line: milliseconds of each run, also of CPU time, and the peak bytes of
the process. Attention is written out, because the fused kernels have no double backward on CPU; for the gradient they are
used.
"""

import json
import resource
import sys
import time
from pathlib import Path

import timm
import torch
import torch.nn.functional as F
from timm.models.cait import Cait
from timm.models.swin_transformer import SwinTransformer

LAMBDA = 0.01
SWIN = {
    "micro": {"embed_dim": 32, "depths": (2, 4), "num_heads": (2, 4)},
    "ti": {"embed_dim": 96, "depths": (2, 2, 6, 2), "num_heads": (3, 6, 12, 24)},
    "s": {"embed_dim": 96, "depths": (2, 2, 18, 2), "num_heads": (3, 6, 12, 24)},
    "b": {"embed_dim": 128, "depths": (2, 2, 18, 2), "num_heads": (4, 8, 16, 32)},
}
CAIT = {
    "micro": {"embed_dim": 64, "depth": 3, "num_heads": 4},
    "xxs-24": {"embed_dim": 192, "depth": 24, "num_heads": 4},
    "s-24": {"embed_dim": 384, "depth": 24, "num_heads": 8},
}


def model_of(spec):
    model = spec["model"]
    sizes = {"img_size": spec["image"]["height"], "patch_size": model["patch"], "num_classes": spec["classes"]}
    if model["kind"] == "swin":
        return SwinTransformer(**sizes, **SWIN[model["variant"]], window_size=model["window"], drop_path_rate=0)
    return Cait(**sizes, **CAIT[model["variant"]], init_values=0.1)


if __name__ == "__main__":
    graph, batch, work, runs, threads = sys.argv[1:]
    torch.set_num_threads(int(threads))
    timm.layers.set_fused_attn(work == "gradient", experimental=work == "gradient")
    spec = json.loads((Path("graphs") / graph / "spec.json").read_text())
    model = model_of(spec).train()
    parameters = list(model.parameters())
    side = spec["image"]["height"]
    images = torch.randn(int(batch), 3, side, side)
    labels = torch.arange(int(batch)) % spec["classes"]
    times, cpu = [], []
    for _ in range(int(runs) + 2):
        start, before = time.perf_counter(), time.process_time()
        loss = F.cross_entropy(model(images), labels)
        gradient = torch.autograd.grad(loss, parameters, create_graph=work == "exact")
        if work == "exact":
            norm = torch.sqrt(sum((g * g).sum() for g in gradient))
            torch.autograd.grad(loss + LAMBDA * norm, parameters)
        times.append(1000 * (time.perf_counter() - start))
        cpu.append(1000 * (time.process_time() - before))
        del loss, gradient
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({"ms": times[2:], "cpu": cpu[2:], "peak": peak}))
