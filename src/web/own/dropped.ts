/** Files that were dropped or chosen, with their paths: folders are gone through. */
import type { PickedFile } from './messages.ts';

export function chosenFiles(files: Iterable<File> | null): PickedFile[] {
  return [...(files ?? [])].map((file) => ({ path: file.webkitRelativePath || file.name, file }));
}

/** What a drop is: the model's files, and the data. A folder is data, and so are loose files without a model among them. */
export async function droppedFiles(
  transfer: DataTransfer,
): Promise<{ readonly model: readonly PickedFile[]; readonly data: readonly PickedFile[] }> {
  // Entries are gone once this function has waited for something.
  const entries = [...transfer.items].flatMap((item) => item.webkitGetAsEntry() ?? []);
  const loose = (await Promise.all(entries.filter(({ isFile }) => isFile).map(filesIn))).flat();
  const inFolders = (await Promise.all(entries.filter(({ isDirectory }) => isDirectory).map(filesIn))).flat();
  const isModel = loose.some(({ path }) => /\.onnx$/i.test(path));
  return isModel ? { model: loose, data: inFolders } : { model: [], data: [...inFolders, ...loose] };
}

async function filesIn(entry: FileSystemEntry): Promise<PickedFile[]> {
  if (isFileEntry(entry)) {
    const file = await new Promise<File>((resolve, reject) => entry.file(resolve, reject));
    return [{ path: entry.fullPath.replace(/^\//, ''), file }];
  }
  if (!isFolderEntry(entry)) return [];
  const reader = entry.createReader();
  const all: FileSystemEntry[] = [];
  // A browser gives a hundred at a time, and none at the end.
  for (let isMore = true; isMore; ) {
    const some = await new Promise<FileSystemEntry[]>((resolve, reject) =>
      reader.readEntries(resolve, reject),
    );
    isMore = some.length > 0;
    all.push(...some);
  }
  return (await Promise.all(all.map(filesIn))).flat();
}

function isFileEntry(entry: FileSystemEntry): entry is FileSystemFileEntry {
  return entry.isFile;
}

function isFolderEntry(entry: FileSystemEntry): entry is FileSystemDirectoryEntry {
  return entry.isDirectory;
}
