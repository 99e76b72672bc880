/** Files out of a drop or a file dialog, folders walked through, each with its path. */

export interface FoundFile {
  file: File
  /** The path inside what was chosen, or the name. */
  path: string
}

/** The entries of a drop. To be called inside the event: afterwards they are gone. */
export function entriesOf(transfer: DataTransfer): (FileSystemEntry | File)[] {
  return [...transfer.items]
    .filter((item) => item.kind === 'file')
    .map((item) => item.webkitGetAsEntry() ?? item.getAsFile())
    .filter((found) => found !== null)
}

/** Every file below the entries of a drop; `onFound` is told how many there are so far. */
export async function walk(
  entries: (FileSystemEntry | File)[],
  onFound: (count: number) => void,
  signal: AbortSignal,
): Promise<FoundFile[]> {
  const found: FoundFile[] = []
  const waiting = [...entries].reverse()
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    signal.throwIfAborted()
    if (next instanceof File) found.push({ file: next, path: next.name })
    else if (next.isDirectory) waiting.push(...(await children(next as FileSystemDirectoryEntry)).reverse())
    else found.push(await fileOf(next as FileSystemFileEntry))
    onFound(found.length)
  }
  return found
}

/** What a file or folder dialog answered. */
export function chosen(files: FileList): FoundFile[] {
  return [...files].map((file) => ({ file, path: file.webkitRelativePath || file.name }))
}

/** All children: one call answers at most a hundred of them, an empty answer is the end. */
async function children(folder: FileSystemDirectoryEntry): Promise<FileSystemEntry[]> {
  const reader = folder.createReader()
  const all: FileSystemEntry[] = []
  for (;;) {
    const some = await new Promise<FileSystemEntry[]>((resolve, reject) =>
      reader.readEntries(resolve, reject),
    )
    if (some.length === 0) return all
    all.push(...some)
  }
}

async function fileOf(entry: FileSystemFileEntry): Promise<FoundFile> {
  const file = await new Promise<File>((resolve, reject) => entry.file(resolve, reject))
  return { file, path: entry.fullPath.replace(/^\//, '') }
}
