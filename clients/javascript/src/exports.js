/** Files with the rows of a run. */

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
export async function save(wire, link, file, signal) {
  const { open, rename, rm } = await import("node:fs/promises");
  const part = `${file}.${crypto.randomUUID().slice(0, 8)}.part`;
  try {
    const size = await wire.download(link, signal, async (chunks) => {
      const target = await open(part, "w");
      try {
        let written = 0;
        for await (const chunk of chunks) {
          await target.writeFile(chunk);
          written += chunk.length;
        }
        return written;
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
