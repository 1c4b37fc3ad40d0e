"""Recurrent networks over texts and FT-Transformer over tables, with the paths of src/models/recurrent.ts and
src/models/ft-transformer.ts, in PyTorch. As a script it writes the golden numbers of the tests, in float64:

    python scripts/peers/torch_sequence.py golden > test/goldens/sequence.json        # torch 2.14

or compares FT-Transformer with that of the authors' package, at the same weights:

    python scripts/peers/torch_sequence.py authors          # rtdl_revisiting_models 0.0.2
"""

import json
import math
import sys

import torch
import torch.nn.functional as F

FT_DEFAULTS = {1: 96, 2: 128, 3: 192, 4: 256, 5: 320, 6: 384}


class Network:
    """`p` has parameters by path; missing ones are made by `start(path, shape)`."""

    def __init__(self, model, outputs, start, p=None):
        self.model, self.outputs, self.start = model, outputs, start
        self.p, self.modules = {} if p is None else p, {}

    def param(self, path, *shape):
        if path not in self.p:
            self.p[path] = self.start(path, shape)
        return self.p[path]

    def dense(self, path, x, width):
        kernel = self.param(f"{path}/kernel", x.shape[-1], width)
        return F.linear(x, kernel.T, self.param(f"{path}/bias", width))

    def __call__(self, x):
        return self.ft(x) if self.model["kind"] == "ft-transformer" else self.text(x)

    def recurrent(self, path, kind, x, width, layers=1, bidirectional=False, lengths=None):
        """torch.nn's layer: all states [batch, steps, …], and the last ones [batch, …]. `lengths` are packed."""
        key = (path, x.dtype)
        if key not in self.modules:
            make = torch.nn.LSTM if kind == "lstm" else torch.nn.GRU
            self.modules[key] = make(x.shape[-1], width, layers, batch_first=True, bidirectional=bidirectional)
        state, gates = {}, 4 if kind == "lstm" else 3
        for l in range(layers):
            size = x.shape[-1] if l == 0 else width * (2 if bidirectional else 1)
            for direction, suffix in (("forward", ""), ("backward", "_reverse"))[: 2 if bidirectional else 1]:
                own = f"{path}/layer{l}/{direction}"
                state[f"weight_ih_l{l}{suffix}"] = self.param(f"{own}/input/kernel", size, gates * width).T
                state[f"bias_ih_l{l}{suffix}"] = self.param(f"{own}/input/bias", gates * width)
                state[f"weight_hh_l{l}{suffix}"] = self.param(f"{own}/recurrent/kernel", width, gates * width).T
                bias = torch.zeros(gates * width, dtype=x.dtype)
                if kind == "gru":
                    bias = torch.cat([bias[: 2 * width], self.param(f"{own}/recurrent/bias", width)])
                state[f"bias_hh_l{l}{suffix}"] = bias
        run = lambda given: torch.func.functional_call(self.modules[key], state, (given,))
        if lengths is None:
            y, last = run(x)
        else:
            packed = torch.nn.utils.rnn.pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
            y, last = run(packed)
            y, _ = torch.nn.utils.rnn.pad_packed_sequence(y, batch_first=True, total_length=x.shape[1])
        last = last[0] if kind == "lstm" else last
        return y, torch.cat(list(last[-2:] if bidirectional else last[-1:]), -1)

    def text(self, ids):
        m = self.model
        x = F.embedding(ids, self.param("tokens/embedding", m["vocabulary"], m.get("embedding", m["width"])))
        real = ids != 0
        lengths = None if bool(real.all()) else real.sum(1)
        options = {"layers": m.get("layers", 1), "bidirectional": m.get("bidirectional", False), "lengths": lengths}
        y, last = self.recurrent(m["kind"], m["kind"], x, m["width"], **options)
        if m.get("pool", "last") == "mean":
            last = (y * real[..., None]).sum(1) / real.sum(1, keepdim=True).clamp(min=1)
        return self.dense("head", last, self.outputs)

    def ft(self, x):
        m, layers = self.model, self.model.get("layers", 3)
        d, heads = m.get("width", FT_DEFAULTS[layers]), m.get("heads", 8)
        hidden = int(m.get("mlpRatio", 4 / 3) * d)
        cls = self.param("cls", d)
        scale = self.param("tokenizer/scale", x.shape[1], d)
        bias = self.param("tokenizer/bias", len(m["columns"]), d)
        parts = zip(x.split(m["columns"], 1), scale.split(m["columns"]))
        numbers = [each @ w for each, w in parts]
        y = torch.cat([cls.expand(len(x), 1, d), torch.stack(numbers, 1) + bias], 1)
        norm = lambda path, t: F.layer_norm(t, (d,), self.param(f"{path}/scale", d), self.param(f"{path}/bias", d), 1e-5)
        apart = lambda t: t.unflatten(-1, (heads, d // heads)).transpose(1, 2)
        for i in range(layers):
            b, last = f"block{i}", i + 1 == layers
            seen = y if i == 0 else norm(f"{b}/norm1", y)
            # As in the authors' package, only the class token looks at the others in the last block.
            q, k, v = (
                apart(self.dense(f"{b}/attn/{name}", given, d))
                for name, given in (("query", seen[:, :1] if last else seen), ("key", seen), ("value", seen))
            )
            weights = torch.softmax(q @ k.transpose(-1, -2) / math.sqrt(d // heads), -1)
            y = (y[:, :1] if last else y) + self.dense(f"{b}/attn/out", (weights @ v).transpose(1, 2).flatten(2), d)
            a, gate = self.dense(f"{b}/mlp/fc1", norm(f"{b}/norm2", y), 2 * hidden).chunk(2, -1)
            y = y + self.dense(f"{b}/mlp/fc2", a * F.relu(gate), d)
        return self.dense("head", F.relu(norm("norm", y[:, 0])), self.outputs)


def gradients(loss, p, penalty, keep=False):
    """Of loss + penalty·‖∇loss‖, by double backward where there is a penalty; and ‖∇loss‖."""
    gradient = torch.autograd.grad(loss, p, retain_graph=keep or penalty > 0, create_graph=penalty > 0)
    norm = torch.sqrt(sum((g * g).sum() for g in gradient))
    return (torch.autograd.grad(loss + penalty * norm, p) if penalty > 0 else gradient), norm


# ---- golden numbers ------------------------------------------------------------------------------------------

TEXT = {"vocabulary": 7, "embedding": 3, "width": 4}
MODELS = {
    "lstm": {"model": {"kind": "lstm", **TEXT, "layers": 2}},
    "lstm-bidirectional": {"model": {"kind": "lstm", **TEXT, "bidirectional": True}, "padded": True},
    "lstm-mean": {"model": {"kind": "lstm", **TEXT, "layers": 2, "bidirectional": True, "pool": "mean"}, "padded": True},
    "gru": {"model": {"kind": "gru", **TEXT, "layers": 2}},
    "gru-bidirectional": {"model": {"kind": "gru", **TEXT, "bidirectional": True}, "padded": True},
    "gru-mean": {"model": {"kind": "gru", **TEXT, "layers": 2, "bidirectional": True, "pool": "mean"}, "padded": True},
    "ft-transformer": {
        "model": {"kind": "ft-transformer", "columns": [1, 1, 3, 2], "layers": 2, "width": 8, "heads": 2},
        "table": True,
    },
}
BATCH, LENGTH, CLASSES, LAMBDA = 4, 10, 3, 0.1


def formula():
    k = -1

    def start(path, shape):
        nonlocal k
        k += 1
        wave = torch.tensor([math.sin(1.7 * i + 0.9 * k + 0.3) for i in range(math.prod(shape))], dtype=torch.float64)
        is_scale = path.endswith("scale") and not path.startswith("tokenizer")
        return (1 + 0.1 * wave if is_scale else 0.5 * wave).reshape(shape).requires_grad_()

    return start


def inputs_of(model, padded=False, table=False):
    if table:
        n = sum(model["columns"])
        return torch.tensor([math.sin(0.37 * i) for i in range(BATCH * n)], dtype=torch.float64).reshape(BATCH, n)
    # The texts are 10, 7, 4 and 1 tokens long.
    token = lambda row, at: 1 + (3 * at + 2 * row + at * at) % 6 if not padded or at < LENGTH - 3 * row else 0
    return torch.tensor([[token(row, at) for at in range(LENGTH)] for row in range(BATCH)])


def round8(tensors):
    return {path: [float(f"{x:.8g}") for x in t.flatten().tolist()] for path, t in tensors.items()}


def golden(model, padded=False, table=False):
    torch.set_default_dtype(torch.float64)
    network, x = Network(model, CLASSES, formula()), inputs_of(model, padded, table)
    logits = network(x)
    loss = F.cross_entropy(logits, torch.arange(BATCH) % CLASSES)
    p = list(network.p.values())
    (gradient, norm), (exact, _) = gradients(loss, p, 0, keep=True), gradients(loss, p, LAMBDA)
    named = lambda each: round8(dict(zip(network.p, each)))
    told = {"loss": loss.item(), "grad_norm": norm.item(), **round8({"logits": logits})}
    return {"model": model, "x": x.flatten().tolist(), **told, "gradient": named(gradient), "exact": named(exact)}


# ---- the authors' package ------------------------------------------------------------------------------------


def compare_with_authors():
    from rtdl_revisiting_models import FTTransformer

    columns, rename = [1] * 6 + [5, 7, 8], {"query": "W_q", "key": "W_k", "value": "W_v", "out": "W_out"}
    for layers in range(1, 7):
        kwargs = FTTransformer.get_default_kwargs(layers)
        theirs = FTTransformer(n_cont_features=6, cat_cardinalities=columns[6:], d_out=1, **kwargs).eval()
        network = Network({"kind": "ft-transformer", "columns": columns, "layers": layers}, 1, lambda _, shape: torch.randn(shape) * 0.1)
        categories = torch.stack([torch.randint(n, (4,)) for n in columns[6:]], 1)
        numbers = torch.randn(4, 6)
        one_hot = [F.one_hot(categories[:, i], n).float() for i, n in enumerate(columns[6:])]
        y, state = network(torch.cat([numbers, *one_hot], 1)), {}
        for path, value in network.p.items():
            parts, name = path.split("/"), {"kernel": "weight", "scale": "weight", "bias": "bias"}.get(path.split("/")[-1])
            value = value.T if parts[-1] == "kernel" else value
            if path == "cls":
                state["cls_embedding.weight"] = value
            elif path == "tokenizer/scale":
                state["cont_embeddings.weight"] = value[:6]
                state |= {f"cat_embeddings.embeddings.{i}.weight": each for i, each in enumerate(value[6:].split(columns[6:]))}
            elif path == "tokenizer/bias":
                state |= {"cont_embeddings.bias": value[:6], "cat_embeddings.bias": value[6:]}
            elif parts[0] in ("norm", "head"):
                state[f"backbone.output.{'normalization' if parts[0] == 'norm' else 'linear'}.{name}"] = value
            else:
                own = {"norm1": "attention_normalization", "norm2": "ffn_normalization"}.get(parts[1])
                if parts[1] == "attn":
                    own = f"attention.{rename[parts[2]]}"
                if parts[1] == "mlp":
                    own = f"ffn.linear{parts[2][-1]}"
                state[f"backbone.blocks.{parts[0][5:]}.{own}.{name}"] = value
        theirs.load_state_dict(state)
        gap = (theirs(numbers, categories) - y).abs().max().item()
        count = sum(p.numel() for p in theirs.parameters())
        print(f"{layers} blocks: {count} parameters, predictions up to {y.abs().max():.2f} differ by {gap:.1e} at most")


if __name__ == "__main__":
    if sys.argv[1] == "golden":
        shared = {"batch": BATCH, "length": LENGTH, "classes": CLASSES, "lambda": LAMBDA}
        print(json.dumps({name: {**shared, **golden(**each)} for name, each in MODELS.items()}))
    elif sys.argv[1] == "authors":
        compare_with_authors()
    else:
        sys.exit(f"expected golden or authors, got {sys.argv[1]}")
