"""Writes test/goldens/exact-gr-vit.json: a small ViT's gradients by PyTorch in float64.

    python scripts/peers/golden_vit.py > test/goldens/exact-gr-vit.json      # torch 2.13

Weights and images are closed formulas, so that the test has the same ones.
"""

import json
import math

import torch
from torch_bench import compute
from torch_vit import parameter_shapes

MODEL = {"patch": 4, "width": 8, "layers": 2, "heads": 2, "mlp": 32, "pool": "class"}
IMAGE = {"channels": 1, "height": 8, "width": 8}
JOB = {"network": {"model": {"kind": "vit", **MODEL}}, "lambda": 0.1, "r": 0.05, "alpha": 0.5, "labelSmoothing": 0.1}
BATCH, CLASSES = 4, 5


def formula(path, k, shape):
    n = math.prod(shape)
    wave = torch.tensor([math.sin(1.7 * i + 0.9 * k + 0.3) for i in range(n)], dtype=torch.float64)
    return (1 + 0.1 * wave if path.endswith("scale") else 0.3 * wave).reshape(shape)


def round9(t):
    return [float(f"{x:.9g}") for x in t.flatten().tolist()]


def weights_and_batch():
    p = {
        path: formula(path, k, shape).requires_grad_()
        for k, (path, shape) in enumerate(parameter_shapes(MODEL, list(IMAGE.values()), CLASSES).items())
    }
    n = BATCH * math.prod(IMAGE.values())
    images = torch.tensor([math.sin(0.37 * i) for i in range(n)], dtype=torch.float64)
    return p, images.reshape(BATCH, *IMAGE.values()), torch.arange(BATCH) % CLASSES


if __name__ == "__main__":
    p, images, labels = weights_and_batch()
    numbers = {k: JOB[k] for k in JOB if k != "network"}
    out = {"model": MODEL, "image": IMAGE, "batch": BATCH, "classes": CLASSES, **numbers}
    for what in ("gradient", "exact", "fd"):
        loss, norm, logits, gradients = compute(what, p, JOB, {"images": images, "labels": labels})
        out |= {"loss": float(loss), "grad_norm": float(norm), "logits": round9(logits)}
        out[what] = {path: round9(g) for path, g in gradients.items()}
    print(json.dumps(out))
