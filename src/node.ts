/** The part of ortgrad that needs node: datasets in files, run folders, the training loop. See index.ts for the rest. */
export { ensureArtifact, listGraphs, openGraph } from './artifacts/store.node.ts';
export { parseConfig, type TrainConfig } from './config/config.ts';
export type { Dataset, DatasetSource, OpenDataset, Split } from './data/dataset.ts';
export { openLoader } from './data/loader.node.ts';
export { openDataset } from './data/open.node.ts';
export { openInference, openModel } from './inference/model.node.ts';
export { writeReport } from './report/write.node.ts';
export { prepareRun } from './run/prepare.node.ts';
export { type RunObserver, type RunResult, trainRun } from './run/run.node.ts';
export { loadCheckpoint, loadModel, saveCheckpoint } from './storage/checkpoint-folder.node.ts';
