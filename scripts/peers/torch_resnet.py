"""ResNets with the layouts and the paths of src/models/resnet.ts, in PyTorch. As a script it writes the golden numbers of
test/models/resnet.test.ts, in float64:

    python scripts/peers/torch_resnet.py > test/goldens/resnet.json      # torch 2.14
"""

import json
import math

import torch
import torch.nn.functional as F

MODELS = {
    "basic": {
        "model": {"block": "basic", "blocks": [1, 1], "width": 4, "stem": "cifar"},
        "image": {"channels": 2, "height": 8, "width": 8},
        "rate": 0.005,
    },
    "bottleneck": {
        "model": {"block": "bottleneck", "blocks": [1, 1], "width": 2, "stem": "imagenet"},
        "image": {"channels": 2, "height": 16, "width": 16},
        "rate": 0.0005,
    },
}
# After some more steps float32 has a relu on the other side of 0, and running statistics say nothing of a rule any more.
BATCH, CLASSES, LAMBDA, STEPS = 4, 3, 0.1, 10


class Network:
    """`p` has parameters and `state` running statistics, by path; missing ones are made by `start(path, shape)`."""

    def __init__(self, model, classes, start, p=None, state=None):
        self.model, self.classes, self.start = model, classes, start
        self.p, self.state = {} if p is None else p, {} if state is None else state
        # Which random numbers are drawn, where there are any.
        self.training, self.step = True, 0

    def param(self, path, *shape):
        if path not in self.p:
            self.p[path] = self.start(path, shape)
        return self.p[path]

    def normed(self, path, name, x, channels, kernel, stride=1):
        return self.norm(f"{path}/norm{name}", self.conv(f"{path}/conv{name}", x, channels, kernel, stride))

    def conv(self, path, x, channels, kernel, stride=1):
        w = self.param(f"{path}/kernel", kernel, kernel, x.shape[1], channels)
        return F.conv2d(x, w.permute(3, 2, 0, 1), stride=stride, padding=kernel // 2)

    def norm(self, path, x):
        channels = x.shape[1]
        scale, bias = self.param(f"{path}/scale", channels), self.param(f"{path}/bias", channels)
        mean = self.state.setdefault(f"{path}/mean", torch.zeros(channels, dtype=x.dtype, device=x.device))
        variance = self.state.setdefault(f"{path}/variance", torch.ones(channels, dtype=x.dtype, device=x.device))
        return F.batch_norm(x, mean, variance, scale, bias, self.training, 0.1, 1e-5)

    def linear(self, path, x, width):
        return x @ self.param(f"{path}/kernel", x.shape[1], width) + self.param(f"{path}/bias", width)

    def block(self, path, x, width, stride):
        if self.model["block"] == "basic":
            y = F.relu(self.normed(path, "1", x, width, 3, stride))
            y = self.normed(path, "2", y, width, 3)
        else:
            y = F.relu(self.normed(path, "1", x, width, 1))
            y = F.relu(self.normed(path, "2", y, width, 3, stride))
            y = self.normed(path, "3", y, 4 * width, 1)
        if x.shape != y.shape:
            x = self.normed(f"{path}/shortcut", "", x, y.shape[1], 1, stride)
        return F.relu(x + y)

    def __call__(self, images):
        width = self.model["width"]
        if self.model["stem"] == "cifar":
            y = F.relu(self.normed("stem", "", images, width, 3))
        else:
            y = F.max_pool2d(F.relu(self.normed("stem", "", images, width, 7, 2)), 3, 2, 1)
        for stage, count in enumerate(self.model["blocks"]):
            for i in range(count):
                y = self.block(f"stage{stage}/block{i}", y, width * 2**stage, 2 if stage > 0 and i == 0 else 1)
        return self.linear("head", y.mean((2, 3)), self.classes)


def formula(power=1):
    """Waves; of power 2 their frequency grows, so that kernels have full rank."""
    k = -1

    def start(path, shape):
        nonlocal k
        k += 1
        wave = torch.tensor([math.sin(1.7 * i**power + 0.9 * k + 0.3) for i in range(math.prod(shape))], dtype=torch.float64)
        return (1 + 0.1 * wave if path.endswith("scale") else 0.3 * wave).reshape(shape).requires_grad_()

    return start


def batch_of(image, step, power=1):
    n = BATCH * math.prod(image.values())
    images = torch.tensor([math.sin(0.37 * i**power + step) for i in range(n)], dtype=torch.float64)
    labels = torch.tensor([(3 * i + step) % CLASSES for i in range(BATCH)])
    return images.reshape(BATCH, *image.values()), labels


def round8(tensors):
    return {path: [float(f"{x:.8g}") for x in t.flatten().tolist()] for path, t in tensors.items()}


def golden(model, image, rate, network_of=Network, rounded=round8, power=1):
    network = network_of(model, CLASSES, formula(power))
    images, labels = batch_of(image, 0, power)
    logits = network(images)
    loss = F.cross_entropy(logits, labels)
    p = network.p
    gradient = torch.autograd.grad(loss, list(p.values()), create_graph=True)
    norm = torch.sqrt(sum((g * g).sum() for g in gradient))
    exact = torch.autograd.grad(loss + LAMBDA * norm, list(p.values()))
    out = {"loss": loss.item(), "grad_norm": norm.item(), **rounded({"logits": logits})}
    out |= {"gradient": rounded(dict(zip(p, gradient))), "exact": rounded(dict(zip(p, exact)))}
    # Plain SGD from the same start: after its steps, the running statistics.
    network = network_of(model, CLASSES, formula(power))
    for step in range(STEPS):
        images, labels = batch_of(image, step, power)
        network.step = step
        loss = F.cross_entropy(network(images), labels)
        gradient = torch.autograd.grad(loss, list(network.p.values()))
        with torch.no_grad():
            for w, g in zip(network.p.values(), gradient):
                w -= rate * g
    return out | {"last_loss": loss.item(), "state": rounded(network.state)}


if __name__ == "__main__":
    shared = {"batch": BATCH, "classes": CLASSES, "lambda": LAMBDA, "steps": STEPS}
    print(json.dumps({name: {**each, **shared, **golden(**each)} for name, each in MODELS.items()}))
