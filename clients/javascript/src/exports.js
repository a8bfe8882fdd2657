/** Files with the rows of a run, or about it. */

const FORMATS = ["csv", "html", "json", "jsonl", "parquet", "rss", "xls", "xlsx", "xml"];

/**
 * @param {string} file
 * @returns {any} the format that the end of its name says
 */
export function formatOf(file) {
  const ending = /\.(\w+)$/.exec(file)?.[1].toLowerCase() ?? "";
  if (FORMATS.includes(ending)) return ending;
  throw new TypeError(`${file}: name a format, or a file that ends with one: ${FORMATS.join(", ")}`);
}

/**
 * Write the content of a link to a file, which appears when it is complete.
 *
 * @param {import("./connection.js").Connection} wire
 * @param {string} link
 * @param {string} file replaced if it exists
 * @param {AbortSignal | undefined} signal
 * @returns {Promise<number>} bytes
 */
export function save(wire, link, file, signal) {
  return written(file, (write) => wire.download(link, signal, write));
}

/**
 * Write what `read` gives to a file, which appears when it is complete.
 *
 * @param {string} file replaced if it exists
 * @param {(write: (chunks: AsyncIterable<Uint8Array>) => Promise<number>) => Promise<number>} read
 * @returns {Promise<number>} bytes
 */
export async function written(file, read) {
  const { open, rename, rm } = await import("node:fs/promises");
  const part = `${file}.${crypto.randomUUID().slice(0, 8)}.part`;
  try {
    const size = await read(async (chunks) => {
      const target = await open(part, "w");
      try {
        let count = 0;
        for await (const chunk of chunks) {
          await target.writeFile(chunk);
          count += chunk.length;
        }
        return count;
      } finally {
        await target.close();
      }
    });
    await rename(part, file);
    return size;
  } catch (error) {
    await rm(part, { force: true });
    throw error;
  }
}
