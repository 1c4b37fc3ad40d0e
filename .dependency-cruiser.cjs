/**
 * The direction of imports: each layer may import the layers before it and its own files, never a later one.
 * One door per dependency: ONNX Runtime, protobufjs and sharp are imported in one place each.
 */
const LAYERS = [
  ['onnx'],
  ['autodiff'],
  ['passes', 'objective', 'step'],
  ['optim', 'models'],
  ['artifacts'],
  ['runtime', 'datasets'],
  ['train'],
  ['study'],
  ['report'],
  ['cli', 'web'],
];

const upwards = LAYERS.flatMap((layer, i) => {
  const later = LAYERS.slice(i + 1).flat();
  return later.length === 0
    ? []
    : [
        {
          name: `${layer.join('-')}-imports-no-later-layer`,
          severity: 'error',
          from: { path: `^src/(${layer.join('|')})/` },
          to: { path: `^src/(${later.join('|')})/` },
        },
      ];
});

const door = (dependency, owner) => ({
  name: `${dependency}-only-in-${owner.replaceAll('/', '-')}`,
  severity: 'error',
  from: { path: '^(src|scripts)/', pathNot: `^src/${owner}` },
  to: { path: `node_modules/${dependency}` },
});

/** What a browser bundles: none of it may reach node's modules, sharp or onnxruntime-node. */
const PORTABLE =
  '^src/(onnx|autodiff|passes|objective|step|optim|models)/|^src/artifacts/(spec|build|manifest|top-counts)|^src/datasets/(augment|batches|dataset|packed|subset)\\.ts|^src/train/(best|engine|trainer|device-trainer|parameters|evaluate|safetensors|checkpoint|config|options|micro-batch|memory-estimate|inference-model|metrics|parse-lines|run-archive|tar)\\.ts|^src/train/diagnostics/(gauge|groups|hessian|lanczos|record|second-moment|spikes|vectors)\\.ts|^src/web/|^src/(index|digest|errors|json-text)\\.ts';

module.exports = {
  forbidden: [
    {
      name: 'no-cycles',
      severity: 'error',
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
    ...upwards,
    door('onnxruntime-', 'runtime/'),
    door('protobufjs', 'onnx/proto'),
    door('sharp', 'datasets/'),
    door('uplot', 'web/train/charts'),
    {
      name: 'portable-code-imports-nothing-of-node',
      severity: 'error',
      from: { path: PORTABLE },
      to: { dependencyTypes: ['core'] },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsConfig: { fileName: 'tsconfig.json' },
    tsPreCompilationDeps: true,
    enhancedResolveOptions: {
      conditionNames: ['source', 'import', 'node', 'default', 'types'],
      exportsFields: ['exports'],
    },
  },
};
