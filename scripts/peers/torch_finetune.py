"""PyTorch's side of scripts/bench-finetune.ts: the head of the same ResNet, from the same weights, on the same batches.

    python scripts/peers/torch_finetune.py OUT FOLDER_OF_CIFAR10      # torch 2.14, safetensors

Prints the largest relative difference of a step's loss, and loss and accuracy on the test images of the last five
classes.
"""

import json
import sys
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch_resnet import Network

torch.set_num_threads(1)
out, cifar = Path(sys.argv[1]), Path(sys.argv[2])
about = json.loads((out / "about.json").read_text())
tensors = load_file(out / "runs/base/last/model.safetensors")
state = {k: v for k, v in tensors.items() if k.endswith(("/mean", "/variance"))}
params = {k: v.clone() for k, v in tensors.items() if k not in state}
network = Network({"block": "basic", "blocks": [1, 1, 1], "width": 16, "stem": "cifar"}, 5, None, params, state)
network.training = False
head = [params["head/kernel"].requires_grad_(), params["head/bias"].requires_grad_()]
# Biases do not decay.
groups = [{"params": [head[0]], "weight_decay": about["decay"]}, {"params": [head[1]], "weight_decay": 0.0}]
optimizer = torch.optim.AdamW(groups, lr=about["rate"])
images = np.fromfile(out / "images.f32", dtype=np.float32).reshape(-1, about["batch"], 3, 32, 32)
labels = np.fromfile(out / "labels.i32", dtype=np.int32).reshape(-1, about["batch"])
apart = 0.0
for x, y, loss in zip(images, labels, about["losses"], strict=True):
    optimizer.zero_grad()
    value = F.cross_entropy(network(torch.from_numpy(x)), torch.from_numpy(y).long())
    value.backward()
    optimizer.step()
    apart = max(apart, abs(value.item() - loss) / value.item())
print(f"{len(images)} steps: losses apart by {apart:.1e} at most")

folder = cifar / "cifar-10-batches-bin" if (cifar / "cifar-10-batches-bin").exists() else cifar
records = np.fromfile(folder / "test_batch.bin", dtype=np.uint8).reshape(-1, 3073)
records = records[records[:, 0] >= 5]
mean, std = np.array([0.4914, 0.4822, 0.4465]), np.array([0.247, 0.2435, 0.2616])
pixels = records[:, 1:].reshape(-1, 3, 32, 32) / 255
x = torch.from_numpy(((pixels - mean[:, None, None]) / std[:, None, None]).astype(np.float32))
y = torch.from_numpy(records[:, 0].astype(np.int64) - 5)
with torch.no_grad():
    logits = torch.cat([network(part) for part in x.split(250)])
print(f"test: loss {F.cross_entropy(logits, y).item():.4f}, accuracy {(logits.argmax(1) == y).double().mean().item():.4f}")
