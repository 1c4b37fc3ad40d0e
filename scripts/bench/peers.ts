/** The libraries to compare with: PyTorch, eager and compiled, and ONNX Runtime training if it is installed. */
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { UserError } from '../../src/errors.ts';
import { WORK, type Work } from './protocol.ts';

export interface Peer {
  readonly name: string;
  readonly works: readonly Work[];
  readonly command: string;
  readonly args: readonly string[];
}

export interface PeerSettings {
  readonly peers: boolean;
  readonly compile: boolean;
  readonly python: string;
  /** The Python with ONNX Runtime training, whose wheel needs older versions of Python and NumPy. */
  readonly pythonOrt: string;
}

const script = (name: string) => path.join(path.dirname(fileURLToPath(import.meta.url)), '..', 'peers', name);

/** Throws UserError if PyTorch is asked for but missing. If ONNX Runtime training is missing, a note says so. */
export function findPeers({ peers, compile, python, pythonOrt }: PeerSettings): {
  readonly found: readonly Peer[];
  readonly notes: readonly string[];
} {
  if (!peers && !compile) return { found: [], notes: [] };
  expectTorch(python, '--peers');
  const torch = script('torch_bench.py');
  const found: Peer[] = [{ name: 'PyTorch', works: WORK, command: python, args: [torch] }];
  const notes: string[] = [];
  if (compile) {
    found.push({
      name: 'torch.compile',
      works: ['gradient', 'exact'],
      command: python,
      args: [torch, '--compile'],
    });
  }
  // The package onnxruntime.training needs torch beside it; its core does not.
  if (
    imports(pythonOrt, 'onnx, safetensors; from onnxruntime.capi._pybind_state import GradientGraphBuilder')
  ) {
    found.push({
      name: 'ORT training',
      works: ['gradient'],
      command: pythonOrt,
      args: [script('ort_training.py')],
    });
  } else {
    notes.push(
      `ORT training is left out: ${pythonOrt} has no onnxruntime-training, onnx and safetensors; to add it, pip install -r scripts/peers/requirements-ort.txt in an environment of its own (Python 3.8 to 3.11, Linux) and name it: --python-ort venv-ort/bin/python`,
    );
  }
  return { found, notes };
}

/** Throws UserError, which begins with `what`, where PyTorch and what reads our files are missing. */
export function expectTorch(python: string, what: string): void {
  if (imports(python, 'torch, safetensors, numpy')) return;
  throw new UserError(
    `${what}: ${python} has no torch, safetensors and numpy; pip install -r scripts/peers/requirements.txt in a virtual environment and name it: --python venv/bin/python`,
  );
}

function imports(python: string, modules: string): boolean {
  return spawnSync(python, ['-c', `import ${modules}`], { stdio: 'ignore' }).status === 0;
}
