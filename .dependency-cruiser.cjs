/**
 * The direction of imports: each layer may import the layers before it and its own files, never a later one.
 * One door per dependency: ONNX Runtime, protobufjs and sharp are imported in one place each.
 */
const LAYERS = [
  ['onnx'],
  ['autodiff'],
  ['passes', 'step', 'losses', 'layers'],
  ['models', 'import'],
  ['metrics', 'tasks'],
  ['data'],
  ['artifacts'],
  ['runtime'],
  ['config'],
  ['storage'],
  ['inference'],
  ['run'],
  ['terminal', 'study'],
  ['fit'],
  ['session'],
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

/** What may import node's modules, by its name. All else can be bundled for a browser. */
const NODE = '\\.node\\.ts$|^src/cli/|^src/node\\.ts$';

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
    door('sharp', 'data/'),
    door('csv-parse', 'data/'),
    door('uplot', 'web/train/charts'),
    {
      name: 'only-node-files-import-node',
      severity: 'error',
      from: { path: '^src/', pathNot: NODE },
      to: { dependencyTypes: ['core'] },
    },
    {
      name: 'only-node-files-import-node-files',
      severity: 'error',
      from: { path: '^src/', pathNot: NODE },
      // `#runtime` and `#host` are other files in a browser.
      to: { path: NODE, pathNot: '^src/(runtime/ort|fit/host)', dependencyTypesNot: ['type-only'] },
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
