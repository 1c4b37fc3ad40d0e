"""PEFT's side of test/import/lora.test.ts: three steps of AdamW on the adapters of two layers, and the merged weights.

pip install torch peft transformers accelerate; python golden_lora.py FOLDER writes the adapters there too.
"""
import sys

import numpy as np
import torch
from peft import LoraConfig, get_peft_model
torch.manual_seed(0)
def grid(*shape, scale=1.0, shift=0.0):
    n = int(np.prod(shape))
    return torch.tensor([((i * 37 + 11) % 23) / 23 - 0.5 for i in range(n)], dtype=torch.float32).reshape(shape) * scale + shift
class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.hidden = torch.nn.Linear(4, 5)
        self.head = torch.nn.Linear(5, 3)
    def forward(self, x):
        return self.head(torch.tanh(self.hidden(x)))
net = Net()
with torch.no_grad():
    net.hidden.weight.copy_(grid(5, 4)); net.hidden.bias.copy_(grid(5, scale=0.2))
    net.head.weight.copy_(grid(3, 5, scale=2)); net.head.bias.copy_(grid(3, scale=0.1))
model = get_peft_model(net, LoraConfig(r=2, lora_alpha=6, target_modules=["hidden", "head"], lora_dropout=0.0, bias="none"))
with torch.no_grad():
    for name, p in model.named_parameters():
        if "lora_A" in name: p.copy_(grid(*p.shape, scale=0.6))
        if "lora_B" in name: p.copy_(grid(*p.shape, scale=0.3))
x = grid(6, 4, scale=3); y = torch.tensor([0, 1, 2, 2, 1, 0])
opt = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=0.05, weight_decay=0.1)
losses = []
for _ in range(3):
    opt.zero_grad(); loss = torch.nn.functional.cross_entropy(model(x), y); loss.backward(); opt.step(); losses.append(loss.item())
print("losses", losses)
print("logits", model(x).detach().reshape(-1).tolist())
for name, p in model.named_parameters():
    if p.requires_grad: print(name, list(p.shape), [round(v, 7) for v in p.detach().reshape(-1).tolist()])
if len(sys.argv) > 1:
    model.save_pretrained(sys.argv[1])
merged = model.merge_and_unload()
print("merged head", merged.head.weight.detach().reshape(-1).tolist())
