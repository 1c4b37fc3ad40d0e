/** The part of ortgrad that needs node: datasets in files, run folders, the training loop. See index.ts for the rest. */
export { ensureArtifact, listGraphs, openGraph } from './artifacts/store.ts';
export type { DatasetSource, ImageDataset } from './datasets/dataset.ts';
export { openLoader } from './datasets/loader.ts';
export { openDataset } from './datasets/open.ts';
export { writeReport } from './report/write.ts';
export { loadCheckpoint, loadModel, saveCheckpoint } from './train/checkpoint-folder.ts';
export { parseConfig, type TrainConfig } from './train/config.ts';
export { openInference, openModel } from './train/model.ts';
export { prepareRun, type RunObserver, type RunResult, trainRun } from './train/run.ts';
