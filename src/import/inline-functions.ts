/** Operators that a file defines by nodes, written out where they are used. */
import { UserError } from '../errors.ts';
import type {
  AttributeProto,
  FunctionProto,
  GraphProto,
  ModelProto,
  NodeProto,
  OperatorSet,
} from '../onnx/proto.ts';
import { capturedNames } from './node-order.ts';
import type { OnnxNode } from './onnx-node.ts';

/** More than any network has. Functions that call functions could be written out to any number. */
const MOST_NODES = 50_000;

/** ONNX's own domain has two names. */
const domainOf = (domain: string): string => (domain === 'ai.onnx' ? '' : domain);
const keyOf = (domain: string, name: string, overload = ''): string =>
  JSON.stringify([domainOf(domain), name, overload]);

/** The opsets of a file or of a function by their domains. */
type Opsets = ReadonlyMap<string, number>;
const opsetsOf = (sets: readonly OperatorSet[]): Opsets =>
  new Map(sets.map(({ domain, version }) => [domainOf(domain), version]));

/**
 * The nodes of a file, those that call one of its functions replaced by the function's nodes. Throws UserError where a
 * function calls itself, and where there would be more than MOST_NODES.
 */
export function inlineFunctions({ graph, functions = [], opsetImport }: ModelProto): OnnxNode[] {
  const known = new Map(
    functions.map((each) => [keyOf(each.domain, each.name, each.overload), each] as const),
  );
  const inliner = new Inliner(known);
  for (const node of graph.node) inliner.add(node, opsetsOf(opsetImport));
  return inliner.nodes;
}

class Inliner {
  readonly nodes: OnnxNode[] = [];
  readonly #functions: ReadonlyMap<string, FunctionProto>;
  readonly #names = new Map<string, number>();
  #calls = 0;

  constructor(functions: ReadonlyMap<string, FunctionProto>) {
    this.#functions = functions;
  }

  add(node: NodeProto, opsets: Opsets, within: readonly string[] = []): void {
    const key = keyOf(node.domain, node.opType, node.overload);
    const called = this.#functions.get(key);
    if (!called) {
      this.#push(node, opsets);
      return;
    }
    if (within.includes(key)) {
      throw new UserError(`import: node ${node.name}: the file's function ${node.opType} calls itself`);
    }
    this.#calls += 1;
    // A call of a function without nodes counts too.
    if (this.#calls > MOST_NODES) throw tooMany();
    const prefix = `${node.name || node.opType}#${this.#calls}/`;
    // Where a function says nothing of a domain, the file does.
    const inner = new Map([...opsets, ...opsetsOf(called.opsetImport)]);
    for (const each of bodyOf(called, node, prefix)) this.add(each, inner, [...within, key]);
  }

  #push(proto: NodeProto, opsets: Opsets): void {
    if (this.nodes.length >= MOST_NODES) throw tooMany();
    const { opType: op, input: inputs, output: outputs } = proto;
    const domain = domainOf(proto.domain);
    this.nodes.push({
      ...{ op, domain, inputs, outputs, proto },
      name: this.#unique(proto.name || `${op}_${this.nodes.length}`),
      version: opsets.get(domain) ?? 1,
      attributes: new Map(proto.attribute.map((attribute) => [attribute.name, attribute])),
      captured: capturedNames(proto),
    });
  }

  #unique(name: string): string {
    const count = this.#names.get(name) ?? 0;
    this.#names.set(name, count + 1);
    return count === 0 ? name : this.#unique(`${name}_${count}`);
  }
}

const tooMany = (): UserError =>
  new UserError(`import: expected at most ${MOST_NODES} nodes, got more once its functions are written out`);

/** What stands in place of the names and attributes of a function where it is called. */
interface Call {
  readonly rename: (name: string) => string;
  readonly attributes: ReadonlyMap<string, AttributeProto>;
}

function bodyOf(called: FunctionProto, node: NodeProto, prefix: string): NodeProto[] {
  const names = new Map<string, string>();
  called.input.forEach((name, i) => {
    names.set(name, node.input[i] ?? '');
  });
  called.output.forEach((name, i) => {
    // An output that is an input too keeps the input's name here; bridged() below gives it its own.
    if (!names.has(name) && node.output[i]) names.set(name, node.output[i]);
  });
  const rename = (name: string): string => (name === '' ? '' : (names.get(name) ?? prefix + name));
  const attributes = new Map(
    [...called.attributeProto, ...node.attribute].map((attribute) => [attribute.name, attribute]),
  );
  const call: Call = { rename, attributes };
  const nodes = called.node.map((inner) =>
    rewritten({ ...inner, name: prefix + (inner.name || inner.opType) }, call),
  );
  return [...nodes, ...bridged(called, node, rename)];
}

/** An Identity for each output of a function that is one of its inputs, or one of its outputs once more. */
function bridged(called: FunctionProto, node: NodeProto, rename: Call['rename']): NodeProto[] {
  return called.output.flatMap((name, i): NodeProto[] => {
    const output = node.output[i] ?? '';
    if (output === '' || rename(name) === output) return [];
    const bridge = { name: `${node.name}#${i}`, opType: 'Identity', domain: '', attribute: [] };
    return [{ ...bridge, input: [rename(name)], output: [output] }];
  });
}

/** A node with other names, in the graphs within it too. */
export function renamedNode(node: NodeProto, rename: (name: string) => string): NodeProto {
  return rewritten(node, { rename, attributes: new Map() });
}

function rewritten(node: NodeProto, call: Call): NodeProto {
  return {
    ...node,
    input: node.input.map(call.rename),
    output: node.output.map(call.rename),
    attribute: node.attribute.flatMap((attribute): AttributeProto[] => {
      const { name, refAttrName = '', g, graphs = [] } = attribute;
      if (refAttrName !== '') {
        const given = call.attributes.get(refAttrName);
        return given ? [{ ...given, name }] : [];
      }
      const inner = graphs.map((each) => graphWithin(each, call));
      return [{ ...attribute, g: g ? graphWithin(g, call) : null, graphs: inner }];
    }),
  };
}

/** A graph within a function: what it gives itself keeps its name. */
function graphWithin(graph: GraphProto, { rename, attributes }: Call): GraphProto {
  const own = new Set([...graph.input, ...graph.initializer].map(({ name }) => name));
  for (const { output } of graph.node) for (const name of output) own.add(name);
  const inner: Call = { rename: (name) => (own.has(name) ? name : rename(name)), attributes };
  return {
    ...graph,
    node: graph.node.map((node) => rewritten(node, inner)),
    output: graph.output.map((output) => ({ ...output, name: inner.rename(output.name) })),
  };
}
