"""The models of tables, texts and pictures in PyTorch, trained on the arrays that ortgrad trains on.

`npm run bench:tasks` starts it once a run, in a process of its own:

    python3 scripts/peers/torch_tasks.py job.json

The job names a safetensors file with `train/FIELD` and `test/FIELD`, and says the model, the options of the run and its
seed. With `weights` and `order` (safetensors: parameters by path, and `indices` int32) it starts from those weights and
takes the examples in that order; without, PyTorch draws both. Prints one JSON line: the losses of all steps, what is
measured on the test examples after the last, seconds of both by the clock and of CPU time, and the peak bytes of the
process.
"""

import json
import math
import sys
import time

import torch
from safetensors.torch import load_file

import torch_cnns
import torch_resnet
import torch_sequence
import torch_vit

ACTIVATIONS = {
    "relu": torch.relu,
    "gelu": torch.nn.functional.gelu,
    "silu": torch.nn.functional.silu,
    "tanh": torch.tanh,
}
TEST_BATCH = 100


def dense_shapes(path, inputs, outputs):
    return {f"{path}/kernel": [inputs, outputs], f"{path}/bias": [outputs]}


def parameter_shapes(job):
    """Paths and shapes in the order of ortgrad's manifest."""
    m, outputs = job["model"], job["outputs"]
    if m["kind"] == "mlp":
        widths = [job["features"], *m["hidden"]]
        shapes = {}
        for i, (inputs, width) in enumerate(zip(widths, widths[1:])):
            shapes |= dense_shapes(f"fc{i}", inputs, width)
        return shapes | dense_shapes("head", widths[-1], outputs)
    if m["kind"] in SEQUENCES:
        network = torch_sequence.Network(m, outputs, lambda _, shape: torch.zeros(shape))
        network(torch.zeros(1, job["features"]) if "features" in job else torch.ones(1, job["length"], dtype=torch.long))
        return {path: list(values.shape) for path, values in network.p.items()}
    if m["kind"] in CONVOLUTIONAL:
        network = CONVOLUTIONAL[m["kind"]](m, outputs, lambda _, shape: torch.zeros(shape))
        network(torch.zeros(2, *job["image"]))
        return {path: list(t.shape) for path, t in network.p.items()}
    d, mlp = m["width"], round(m["mlpRatio"] * m["width"])
    shapes = {"tokens/embedding": [m["vocabulary"], d], "positions": [job["length"], d]}
    for i in range(m["layers"]):
        b = f"block{i}"
        shapes |= {f"{b}/norm1/scale": [d], f"{b}/norm1/bias": [d]}
        for name in ("query", "key", "value", "out"):
            shapes |= dense_shapes(f"{b}/attn/{name}", d, d)
        shapes |= {f"{b}/norm2/scale": [d], f"{b}/norm2/bias": [d]}
        shapes |= dense_shapes(f"{b}/mlp/fc1", d, mlp) | dense_shapes(f"{b}/mlp/fc2", mlp, d)
    return shapes | {"norm/scale": [d], "norm/bias": [d]} | dense_shapes("head", d, outputs)


def initial(path, shape, kind):
    """From the distributions that ortgrad draws from."""
    name = path.split("/")[-1]
    if name == "cls" or path.startswith("tokenizer/"):
        return torch.randn(shape) * (3 * shape[-1]) ** -0.5
    if name == "scale":
        return torch.ones(shape)
    if name == "bias" or (kind == "encoder" and path == "head/kernel"):
        return torch.zeros(shape)
    if kind == "resnet" and len(shape) == 4:
        return torch.randn(shape) * (2 / (shape[0] * shape[1] * shape[3])) ** 0.5
    if name in ("embedding", "positions"):
        return 0.02 * torch.randn(shape)
    return torch.nn.init.xavier_uniform_(torch.empty(shape))


def dense(p, path, x):
    return torch.addmm(p[path + "/bias"], x.reshape(-1, x.shape[-1]), p[path + "/kernel"]).reshape(*x.shape[:-1], -1)


def mlp(p, x, m):
    activation = ACTIVATIONS[m.get("activation", "relu")]
    for i in range(len(m["hidden"])):
        x = activation(dense(p, f"fc{i}", x))
    return dense(p, "head", x)


def encoder(p, ids, m):
    d, heads = m["width"], m["heads"]
    norm = lambda path, x: torch.nn.functional.layer_norm(x, (d,), p[path + "/scale"], p[path + "/bias"], 1e-6)
    is_real = ids != 0
    x = torch.nn.functional.embedding(ids, p["tokens/embedding"]) + p["positions"]
    for i in range(m["layers"]):
        b = f"block{i}"
        y = norm(f"{b}/norm1", x)
        q, k, v = (
            dense(p, f"{b}/attn/{name}", y).reshape(*ids.shape, heads, d // heads).transpose(1, 2)
            for name in ("query", "key", "value")
        )
        # By hand: the fused attention kernels have no double backward on CPU.
        scores = (q @ k.transpose(-1, -2) * (d // heads) ** -0.5).masked_fill(~is_real[:, None, None], -1e30)
        x = x + dense(p, f"{b}/attn/out", (torch.softmax(scores, -1) @ v).transpose(1, 2).reshape(*ids.shape, d))
        x = x + dense(p, f"{b}/mlp/fc2", ACTIVATIONS["gelu"](dense(p, f"{b}/mlp/fc1", norm(f"{b}/norm2", x))))
    x = norm("norm", x).masked_fill(~is_real[..., None], 0)
    return dense(p, "head", x.sum(1) / is_real.sum(1, keepdim=True).clamp(min=1))


SEQUENCES = ("lstm", "gru", "ft-transformer")
CONVOLUTIONAL = {"resnet": torch_resnet.Network, **torch_cnns.NETWORKS}


def choose_kernels(model, twice):
    """The fused LSTM of oneDNN is several times slower than PyTorch's own kernels when it is differentiated twice."""
    torch.backends.mkldnn.enabled = not (twice and model["kind"] in ("lstm", "gru"))


def predict(p, fields, network, training, drop=None):
    """network: as scripts/bench/peer-network.ts describes it. Running statistics lie in `p`, or in the network's `state`."""
    m = network["model"]
    if m["kind"] == "mlp":
        return mlp(p, fields["x"], m).squeeze(-1)
    if m["kind"] == "encoder":
        return encoder(p, fields["tokens"], m)
    if m["kind"] == "vit":
        return torch_vit.logits_of(p, fields["images"], m, *([drop] if drop else []))
    if m["kind"] in SEQUENCES:
        # It keeps the modules of torch.nn from step to step.
        own = network.setdefault("own", torch_sequence.Network(m, network["outputs"], None, p))
        own.p = p
        y = own(fields["x"] if "x" in fields else fields["tokens"])
        return y.squeeze(-1) if "y" in fields else y
    if m["kind"] in CONVOLUTIONAL:
        state = network.setdefault("state", {path: t for path, t in p.items() if not t.requires_grad})
        own = CONVOLUTIONAL[m["kind"]](m, network["outputs"], None, p, state)
        own.training = training
        return own(fields["images"])
    raise ValueError(f"no model {m['kind']} in PyTorch here")


def loss_of(p, fields, network, training=True, drop=None, smoothing=0.0):
    """(loss, outputs)."""
    outputs = predict(p, fields, network, training, drop)
    if "y" in fields:
        return torch.nn.functional.mse_loss(outputs, fields["y"]), outputs
    return torch.nn.functional.cross_entropy(outputs, fields["labels"], label_smoothing=smoothing), outputs


def measured(p, fields, job):
    with torch.no_grad():
        parts = {name: values.split(TEST_BATCH) for name, values in fields.items()}
        batches = ({name: part[i] for name, part in parts.items()} for i in range(len(next(iter(parts.values())))))
        outputs = torch.cat([predict(p, batch, job, False) for batch in batches])
    if "y" in fields:
        error = (outputs - fields["y"]).double()
        return {
            "loss": float((error**2).mean()),
            "mae": job["scale"] * float(error.abs().mean()),
            "rmse": job["scale"] * float((error**2).mean()) ** 0.5,
        }
    return {
        "loss": float(torch.nn.functional.cross_entropy(outputs.double(), fields["labels"])),
        "top1": float((outputs.argmax(1) == fields["labels"]).double().mean()),
    }


def learning_rate(step, warmup, total, peak):
    """Linear warmup from 0, then a cosine to 0 at step `total`; as src/step/schedule.ts."""
    if step < warmup:
        return peak * step / warmup
    return peak * 0.5 * (1 + math.cos(math.pi * (step - warmup) / (total - warmup)))


def gradients(p, fields, job, penalty):
    """(loss, gradient of loss + penalty·‖∇loss‖)."""
    leaves = list(p.values())
    choose_kernels(job["model"], penalty > 0)
    loss, _ = loss_of(p, fields, job)
    g = torch.autograd.grad(loss, leaves, create_graph=penalty > 0)
    if penalty > 0:
        g = torch.autograd.grad(loss + penalty * torch.sqrt(sum((t * t).sum() for t in g)), leaves)
    return loss.detach(), g


def order_of(job, examples, batch):
    """The examples of all steps, [batch] each: whole batches of each epoch's permutation."""
    if "order" in job:
        yield from load_file(job["order"])["indices"].long().split(batch)
        return
    for _ in range(job["epochs"]):
        yield from torch.randperm(examples)[: examples // batch * batch].split(batch)


def as_conv2d_reads(t):
    """A kernel of a convolution [height, width, in, out], in memory as conv2d wants it. Otherwise each step copies it."""
    return t.permute(3, 2, 0, 1).contiguous().permute(2, 3, 1, 0) if t.dim() == 4 else t


def train(job, train_fields, test_fields):
    torch.manual_seed(job["seed"])
    shapes = parameter_shapes(job)
    given = load_file(job["weights"]) if "weights" in job else None
    if given is not None and {k: list(t.shape) for k, t in given.items()} != shapes:
        raise ValueError("the weights are those of another model")
    p = {k: given[k] if given is not None else initial(k, s, job["model"]["kind"]) for k, s in shapes.items()}
    p = {k: as_conv2d_reads(t).requires_grad_() for k, t in p.items()}
    decays = lambda path: path.split("/")[-1] in ("kernel", "embedding")
    groups = [
        {"params": [t for k, t in p.items() if decays(k)], "weight_decay": job["weightDecay"]},
        {"params": [t for k, t in p.items() if not decays(k)], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=0.0, betas=(0.9, 0.999), eps=1e-8, fused=True)
    examples, batch = len(next(iter(train_fields.values()))), job["batchSize"]
    per_epoch = examples // batch
    warmup, total = round(job["warmupEpochs"] * per_epoch), job["epochs"] * per_epoch
    losses = []
    for step, indices in enumerate(order_of(job, examples, batch)):
        fields = {name: values[indices] for name, values in train_fields.items()}
        # As --gr-warmup zero: no penalty while the learning rate warms up.
        loss, g = gradients(p, fields, job, job["lambda"] if step >= warmup else 0)
        for t, d in zip(p.values(), g):
            # AdamW's fused loop reads a gradient as if it lay in memory as its weight does.
            t.grad = d if d.stride() == t.stride() else torch.empty_like(t).copy_(d)
        torch.nn.utils.clip_grad_norm_(p.values(), job["clip"])
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, warmup, total, job["learningRate"])
        optimizer.step()
        losses.append(float(loss))
    return losses, measured(p, test_fields, job)


def main(job):
    torch.set_num_threads(job["threads"])
    arrays = load_file(job["data"])
    part = lambda split: {
        name.split("/")[1]: values.long() if values.dtype == torch.int32 else values
        for name, values in arrays.items()
        if name.startswith(split + "/")
    }
    fields = part("train"), part("test")
    start, cpu_start = time.perf_counter(), time.process_time()
    losses, metrics = train(job, *fields)
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu_start
    status = dict(line.split(":", 1) for line in open("/proc/self/status"))
    peak = 1024 * int(status["VmHWM"].split()[0])
    print(json.dumps({"losses": losses, "metrics": metrics, "seconds": seconds, "cpu": cpu, "peak": peak}), flush=True)


if __name__ == "__main__":
    with open(sys.argv[1]) as file:
        main(json.load(file))
