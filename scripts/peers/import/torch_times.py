"""PyTorch's side of scripts/bench-imported.ts: networks that it exports, and a gradient of them in eager mode.

    python scripts/peers/import/torch_times.py export FOLDER NAME BATCH      # writes NAME.onnx and NAME.safetensors, a batch
    python scripts/peers/import/torch_times.py serve NAME BATCH THREADS      # torch 2.14.1, transformers 5.x

Weights are PyTorch's random ones of seed 0. The server answers each line with the milliseconds of a gradient by the
clock ("ms") and of the processor ("cpu"), the loss, the gradient's norm, and the peak of resident bytes.
"""
import json
import sys
import time
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import nn
from torch_exports import export, vision


class BertTiny(nn.Module):
    """google/bert_uncased_L-2_H-128_A-2 with 20 classes, without dropout."""

    def __init__(self):
        from transformers import BertConfig, BertForSequenceClassification

        super().__init__()
        self.net = BertForSequenceClassification(BertConfig(
            hidden_size=128, num_hidden_layers=2, num_attention_heads=2, intermediate_size=512, num_labels=20,
            hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0,
        ))

    def forward(self, ids, mask):
        return self.net(input_ids=ids, attention_mask=mask).logits


def images(size):
    return lambda batch, g: (torch.randn(batch, 3, size, size, generator=g),)


def tokens(batch, g):
    return torch.randint(0, 30522, (batch, 128), generator=g), torch.ones(batch, 128, dtype=torch.int64)


# A network, its inputs, and its classes.
NETWORKS = {
    "resnet50-224": (vision("resnet50"), images(224), 10),
    "resnet50-32": (vision("resnet50"), images(32), 10),
    "mobilenet-v3-224": (vision("mobilenet_v3_large", dropout=0.0), images(224), 10),
    "efficientnet-b0-224": (vision("efficientnet_b0", dropout=0.0, stochastic_depth_prob=0.0), images(224), 10),
    "bert-tiny": (BertTiny, tokens, 20),
}


def prepare(name, batch):
    make, draw, classes = NETWORKS[name]
    torch.manual_seed(0)
    network = make()
    with torch.no_grad():  # exporters store equal tensors once
        for parameter in network.parameters():
            parameter.add_(0.002 * torch.randn_like(parameter))
    g = torch.Generator().manual_seed(1)
    inputs = draw(batch, g)
    return network, inputs, torch.randint(0, classes, (batch,), generator=g)


def write(folder, name, batch):
    network, inputs, targets = prepare(name, batch)
    export(network.eval(), inputs, folder / f"{name}.onnx", "script")
    save_file({**{f"input{i}": x for i, x in enumerate(inputs)}, "labels": targets}, folder / f"{name}.safetensors")


def serve(name, batch, threads):
    torch.set_num_threads(threads)
    network, inputs, targets = prepare(name, batch)
    network.train()
    for _ in sys.stdin:
        start, cpu = time.perf_counter(), time.process_time()
        network.zero_grad()
        loss = F.cross_entropy(network(*inputs), targets)
        loss.backward()
        ms, cpu = (1000 * (now - then) for now, then in ((time.perf_counter(), start), (time.process_time(), cpu)))
        norm = torch.sqrt(sum((p.grad * p.grad).sum() for p in network.parameters() if p.grad is not None))
        status = dict(line.split(":", 1) for line in open("/proc/self/status"))
        peak = int(status["VmHWM"].split()[0]) * 1024
        print(json.dumps({"ms": ms, "cpu": cpu, "loss": loss.item(), "norm": norm.item(), "rss_peak": peak}), flush=True)


if __name__ == "__main__":
    what, *rest = sys.argv[1:]
    if what == "export":
        write(Path(rest[0]), rest[1], int(rest[2]))
    else:
        serve(rest[0], int(rest[1]), int(rest[2]))
