"""Writes weights as timm and Hugging Face save them, and what these libraries compute with them.

    pip install -r scripts/peers/requirements-timm.txt
    python scripts/peers/timm_logits.py DIR
    node --conditions=source --import=tsx scripts/timm-logits.ts DIR

Each model has a file of weights and one of images and logits, which says the model's config here. All weights are random,
the zero ones too, so that every tensor makes a difference.
"""

import json
import sys
from pathlib import Path

import timm
import torch
from safetensors.torch import save_file
from transformers import ViTConfig, ViTForImageClassification

SIZE, PATCH, WIDTH, LAYERS, HEADS, CLASSES = 64, 16, 192, 12, 3, 10
VIT = {"kind": "vit", "patch": PATCH, "width": WIDTH, "layers": LAYERS, "heads": HEADS}
TIMM = {
    "timm": ("vit_tiny_patch16_224", SIZE, {}, VIT),
    # Grids of 16, 8, 4 and 2: the last window is the grid, which is smaller than 4 × 4.
    "swin": (
        *("swin_tiny_patch4_window7_224", SIZE, {"window_size": 4}),
        {"kind": "swin", "variant": "ti", "patch": 4, "window": 4},
    ),
    "swin-224": (
        *("swin_tiny_patch4_window7_224", 224, {}),
        {"kind": "swin", "variant": "ti", "patch": 4, "window": 7},
    ),
    "cait": ("cait_xxs24_224", SIZE, {}, {"kind": "cait", "variant": "xxs-24", "patch": PATCH}),
}


def randomized(model):
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, p in model.named_parameters():
            start = 1.0 if "gamma" in name or ("norm" in name and name.endswith("weight")) else 0.0
            p.copy_(start + 0.05 * torch.randn(p.shape, generator=generator))
    return model.eval()


def write(folder, name, model, config, side=SIZE, logits_of=lambda y: y):
    images = torch.randn(4, 3, side, side, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        logits = logits_of(model(images))
    metadata = {"config": json.dumps(config)}
    save_file({"images": images, "logits": logits.contiguous()}, folder / f"{name}-logits.safetensors", metadata)
    print(f"{name}: {sum(p.numel() for p in model.parameters()):,} parameters, logits up to {logits.abs().max():.3f}")


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for name, (model, side, options, config) in TIMM.items():
        model = randomized(timm.create_model(model, img_size=side, num_classes=CLASSES, **options))
        save_file(model.state_dict(), folder / f"{name}.safetensors")
        write(folder, name, model, config, side)
    config = ViTConfig(
        hidden_size=WIDTH,
        num_hidden_layers=LAYERS,
        num_attention_heads=HEADS,
        intermediate_size=4 * WIDTH,
        image_size=SIZE,
        patch_size=PATCH,
        num_labels=CLASSES,
    )
    model = randomized(ViTForImageClassification(config))
    model.save_pretrained(folder / "hf")
    (folder / "hf" / "model.safetensors").rename(folder / "hugging-face.safetensors")
    write(folder, "hugging-face", model, VIT, logits_of=lambda y: y.logits)
