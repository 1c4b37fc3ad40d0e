/** Describes the machine, because a benchmark's figures mean little without it. */
import { readFileSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';

/** Vector extensions of x86 and ARM, by the flags under which Linux lists them. */
const EXTENSIONS: readonly (readonly [flag: string, name: string])[] = [
  ['avx2', 'AVX2'],
  ['avx512f', 'AVX-512'],
  ['amx_tile', 'AMX'],
  ['asimd', 'NEON'],
  ['sve', 'SVE'],
];

export function machine() {
  const [cpu] = cpus();
  return {
    cpu: cpu?.model ?? '',
    cores: cpus().length,
    vector_extensions: vectorExtensions(cpuInfo()),
    memory_gb: Math.round(totalmem() / 1e9),
    system: `${process.platform} ${process.arch}`,
    node: process.version,
  };
}

/** The machine in a line. */
export function machineLine({ cpu, cores, vector_extensions, memory_gb, system, node } = machine()): string {
  return `${cpu}, ${cores} cores, vector extensions ${vector_extensions.join(', ')}, ${memory_gb} GB, ${system}, Node ${node}`;
}

/** The vector extensions that the text of /proc/cpuinfo names; `unknown` without it. */
export function vectorExtensions(info: string | undefined): string[] {
  const flags = /^(?:flags|Features)\s*:(.*)$/m.exec(info ?? '')?.[1];
  if (flags === undefined) return ['unknown'];
  const listed = new Set(flags.split(/\s+/));
  const found = EXTENSIONS.flatMap(([flag, name]) => (listed.has(flag) ? [name] : []));
  return found.length > 0 ? found : ['none'];
}

function cpuInfo(): string | undefined {
  try {
    return readFileSync('/proc/cpuinfo', 'utf8');
  } catch {
    return undefined;
  }
}
