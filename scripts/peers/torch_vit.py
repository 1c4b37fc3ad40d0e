"""The same Vision Transformer in PyTorch, for comparison of numbers and of speed.

As a program it is a server on stdin and stdout (one JSON object a line), which `npm run bench -- --peers` starts:
  {"cmd": "load", "job": {...}}            reads weights and inputs from safetensors files
  {"cmd": "run"}                           -> {"ms", "create", "rss_peak"}
  {"cmd": "results", "path"}               writes logits, or loss, grad_norm and grad/<path>, to a safetensors file
  {"cmd": "exit"}
The job's work: forward, gradient, exact (double backward), fd, train-step (gradient, clipping, fused AdamW).
With --compile through torch.compile.
"""

import json
import sys
import time

import torch


def parameter_shapes(m, image, classes):
    """Paths and shapes in the order of ortgrad's manifest; m: patch, width, layers, heads, mlp, pool."""
    d, patches = m["width"], (image["height"] // m["patch"]) * (image["width"] // m["patch"])
    with_class = m["pool"] == "class"
    shapes = {"embed/kernel": [image["channels"] * m["patch"] ** 2, d], "embed/bias": [d]}
    if with_class:
        shapes["cls"] = [d]
    shapes["positions"] = [patches + with_class, d]
    for i in range(m["layers"]):
        b = f"block{i}"
        shapes |= {f"{b}/norm1/scale": [d], f"{b}/norm1/bias": [d]}
        for name in ("query", "key", "value", "out"):
            shapes |= {f"{b}/attn/{name}/kernel": [d, d], f"{b}/attn/{name}/bias": [d]}
        shapes |= {f"{b}/norm2/scale": [d], f"{b}/norm2/bias": [d]}
        shapes |= {f"{b}/mlp/fc1/kernel": [d, m["mlp"]], f"{b}/mlp/fc1/bias": [m["mlp"]]}
        shapes |= {f"{b}/mlp/fc2/kernel": [m["mlp"], d], f"{b}/mlp/fc2/bias": [d]}
    shapes |= {"norm/scale": [d], "norm/bias": [d], "head/kernel": [d, classes], "head/bias": [classes]}
    return shapes


def draws(rate):
    """Dropout with masks of PyTorch's own."""
    return lambda path, x: torch.nn.functional.dropout(x, rate) if rate > 0 else x


def given(masks, rate):
    """Dropout with the masks of ortgrad, by the path of the layer."""
    return lambda path, x: x * masks[f"random/{path}/keep"] / (1 - rate) if rate > 0 else x


def logits_of(p, images, m, drop=draws(0)):
    d, heads, patch = m["width"], m["heads"], m["patch"]
    approximate = "tanh" if m.get("activation") == "gelu-tanh" else "none"
    linear = lambda name, x: torch.addmm(p[name + "/bias"], x.reshape(-1, x.shape[-1]), p[name + "/kernel"]).reshape(
        *x.shape[:-1], -1
    )
    norm = lambda name, x: torch.nn.functional.layer_norm(x, (d,), p[name + "/scale"], p[name + "/bias"], 1e-6)
    b, c, h, w = images.shape
    x = images.reshape(b, c, h // patch, patch, w // patch, patch).permute(0, 2, 4, 1, 3, 5)
    x = linear("embed", x.reshape(b, -1, c * patch * patch))
    if m["pool"] == "class":
        x = torch.cat([p["cls"].expand(b, 1, d), x], 1)
    x = drop("drop", x + p["positions"])
    for i in range(m["layers"]):
        block = f"block{i}"
        y = norm(f"{block}/norm1", x)
        q, k, v = (
            linear(f"{block}/attn/{name}", y).reshape(b, -1, heads, d // heads).transpose(1, 2)
            for name in ("query", "key", "value")
        )
        # By hand: the fused attention kernels have no double backward on CPU.
        a = torch.softmax(q @ k.transpose(-1, -2) * (d // heads) ** -0.5, -1)
        y = linear(f"{block}/attn/out", (a @ v).transpose(1, 2).reshape(b, -1, d))
        x = x + drop(f"{block}/attn/out/drop", y)
        y = torch.nn.functional.gelu(linear(f"{block}/mlp/fc1", norm(f"{block}/norm2", x)), approximate=approximate)
        x = x + drop(f"{block}/mlp/fc2/drop", linear(f"{block}/mlp/fc2", drop(f"{block}/mlp/fc1/drop", y)))
    x = norm("norm", x)
    return linear("head", x[:, 0] if m["pool"] == "class" else x.mean(1))


def loss_of(p, job, images, labels, drop=draws(0)):
    logits = logits_of(p, images, job["model"], drop)
    return torch.nn.functional.cross_entropy(logits, labels, label_smoothing=job["labelSmoothing"]), logits


def global_norm(tensors):
    return torch.sqrt(sum((t * t).sum() for t in tensors))


def compute(what, p, job, images, labels, drop=draws(0)):
    """(loss, grad_norm, logits, gradients) of one kind of work; gradients by path. A forward pass drops nothing."""
    leaves = list(p.values())
    if what == "forward":
        with torch.no_grad():
            loss, logits = loss_of(p, job, images, labels)
        return loss, torch.zeros(()), logits, {}
    loss, logits = loss_of(p, job, images, labels, drop)
    gradient = torch.autograd.grad(loss, leaves, create_graph=what == "exact")
    norm = global_norm(gradient)
    if what == "exact":
        gradient = torch.autograd.grad(loss + job["lambda"] * norm, leaves)
    if what == "fd":
        r, alpha = job["r"], job["alpha"]
        moved = {k: (v + r * g / norm).detach().requires_grad_() for (k, v), g in zip(p.items(), gradient)}
        perturbed = torch.autograd.grad(loss_of(moved, job, images, labels, drop)[0], list(moved.values()))
        gradient = [(1 - alpha) * a + alpha * b for a, b in zip(gradient, perturbed)]
    return loss.detach(), norm.detach(), logits.detach(), dict(zip(p, (g.detach() for g in gradient)))


def compiled(p, job, data):
    """`compute` through torch.compile. Its backward passes are traced first: the compiler differentiates only once."""
    from torch.fx.experimental.proxy_tensor import make_fx

    paths = list(p)

    def step(values, images, labels):
        loss, norm, logits, gradients = compute(job["work"], dict(zip(paths, values)), job, images, labels)
        return loss, norm, logits, [gradients[path] for path in paths]

    values = list(p.values())
    traced = torch.compile(make_fx(step)(values, *data))

    def run(what, p, job, images, labels, drop=None):
        with torch.no_grad():
            loss, norm, logits, gradients = traced(values, images, labels)
        return loss, norm, logits, dict(zip(paths, gradients))

    run(None, p, job, *data)
    return run


def memory():
    fields = dict(line.split(":", 1) for line in open("/proc/self/status"))
    return {"rss_peak": int(fields["VmHWM"].split()[0]) * 1024}


def serve(through_compiler):
    from safetensors.torch import load_file, save_file

    state = {}
    for line in sys.stdin:
        message = json.loads(line)
        if message["cmd"] == "exit":
            return
        try:
            reply = answer(message, state, through_compiler, load_file, save_file)
        except Exception as error:  # the parent reports it
            reply = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(reply), flush=True)


def answer(message, state, through_compiler, load_file, save_file):
    if message["cmd"] == "load":
        job = state["job"] = message["job"]
        torch.set_num_threads(job["threads"])
        weights, inputs = load_file(job["weights"]), load_file(job["inputs"])
        shapes = parameter_shapes(job["model"], job["image"], job["classes"])
        state["p"] = {path: weights[path].requires_grad_() for path in shapes}
        state["data"] = (inputs.pop("images"), inputs.pop("labels").long())
        rate = job["model"].get("dropout", 0)
        # What is timed draws masks, as a step of training does; what is compared has ortgrad's.
        state["drop"] = {"run": draws(rate), "results": given(inputs, rate)}
        if job["work"] == "train-step":
            state["adamw"] = torch.optim.AdamW(list(state["p"].values()), lr=1e-9, weight_decay=0.3, fused=True)
        start = time.perf_counter()
        state["compute"] = compiled(state["p"], job, state["data"]) if through_compiler else compute
        state["create"] = 1000 * (time.perf_counter() - start) if through_compiler else 0
        return memory()
    work = state["job"]["work"]
    start = time.perf_counter()
    kind = "gradient" if work == "train-step" else work
    drop = state["drop"][message["cmd"]]
    loss, norm, logits, gradients = state["compute"](kind, state["p"], state["job"], *state["data"], drop)
    if message["cmd"] == "results":
        tensors = {"logits": logits} if work == "forward" else {"loss": loss, "grad_norm": norm}
        tensors |= {f"grad/{path}": g for path, g in gradients.items()}
        save_file({name: t.contiguous() for name, t in tensors.items()}, message["path"])
        return memory()
    if work == "train-step":
        for path, value in state["p"].items():
            value.grad = gradients[path]
        torch.nn.utils.clip_grad_norm_(list(state["p"].values()), 5.0)
        state["adamw"].step()
    ms = 1000 * (time.perf_counter() - start)
    return {"ms": ms, "create": state["create"], **memory()}


if __name__ == "__main__":
    serve("--compile" in sys.argv)
