"""Writes test/goldens/timm.json: the loss, gradient and exact GR of a small Swin and a small CaiT, by timm in float64.

    python scripts/peers/golden_timm.py > test/goldens/timm.json      # timm 1.0.31, torch 2.14

Weights and images are closed formulas, so that the test has the same ones. All is by timm's names, which the test maps as
a file's.
"""

import json
import math

import timm
import torch
import torch.nn.functional as F
from timm.models.cait import Cait
from timm.models.swin_transformer import SwinTransformer

# The fused attention kernels have no double backward on CPU.
timm.layers.set_fused_attn(False)
BATCH, CLASSES, LAMBDA = 3, 3, 0.1
MODELS = {
    # Grids of 4 × 8, where windows move both ways, and 2 × 4, where they move along the rows only.
    "swin": (
        {"height": 8, "width": 16},
        {"kind": "swin", "patch": 2, "window": 2, "width": 4, "blocks": [2, 2], "heads": [1, 2], "mlpRatio": 2},
        SwinTransformer(
            **{"img_size": (8, 16), "patch_size": 2, "in_chans": 1, "num_classes": CLASSES, "embed_dim": 4},
            **{"depths": (2, 2), "num_heads": (1, 2), "window_size": 2, "mlp_ratio": 2, "drop_path_rate": 0},
        ),
    ),
    "cait": (
        {"height": 8, "width": 8},
        {"kind": "cait", "patch": 4, "width": 8, "layers": 2, "heads": 2, "mlpRatio": 2},
        Cait(
            **{"img_size": 8, "patch_size": 4, "in_chans": 1, "num_classes": CLASSES, "embed_dim": 8, "depth": 2},
            **{"num_heads": 2, "mlp_ratio": 2, "mlp_ratio_token_only": 2},
        ),
    ),
}


def formula(name, k, shape):
    """Scales are near 1: those of norms and of LayerScale."""
    wave = torch.tensor([math.sin(1.7 * i + 0.9 * k + 0.3) for i in range(math.prod(shape))], dtype=torch.float64)
    is_scale = "gamma" in name or ("norm" in name and name.endswith("weight"))
    return (1 + 0.1 * wave if is_scale else 0.3 * wave).reshape(shape)


def round8(tensors):
    return {name: [float(f"{x:.8g}") for x in t.flatten().tolist()] for name, t in tensors.items()}


def golden(image, config, model):
    model = model.double().eval()
    parameters = dict(sorted(model.named_parameters()))
    with torch.no_grad():
        for k, (name, p) in enumerate(parameters.items()):
            p.copy_(formula(name, k, p.shape))
    n = BATCH * math.prod(image.values())
    images = torch.tensor([math.sin(0.37 * i) for i in range(n)], dtype=torch.float64)
    logits = model(images.reshape(BATCH, 1, *image.values()))
    loss = F.cross_entropy(logits, torch.arange(BATCH) % CLASSES)
    gradient = torch.autograd.grad(loss, list(parameters.values()), create_graph=True)
    norm = torch.sqrt(sum((g * g).sum() for g in gradient))
    exact = torch.autograd.grad(loss + LAMBDA * norm, list(parameters.values()))
    return {
        **{"image": {"channels": 1, **image}, "model": config, "batch": BATCH, "classes": CLASSES, "lambda": LAMBDA},
        **{"loss": loss.item(), "grad_norm": norm.item(), **round8({"logits": logits})},
        "shapes": {name: list(p.shape) for name, p in parameters.items()},
        "gradient": round8(dict(zip(parameters, gradient))),
        "exact": round8(dict(zip(parameters, exact))),
    }


if __name__ == "__main__":
    print(json.dumps({name: golden(*each) for name, each in MODELS.items()}))
