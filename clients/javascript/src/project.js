/** Projects of Workers: a folder, a ZIP file, or the bytes of one. */

const CACHES = new Set([
  ".git",
  ".coreclaw",
  "node_modules",
  "__pycache__",
  ".pytest_cache",
  ".venv",
  "venv",
  "__MACOSX",
  ".DS_Store",
]);
const BUILD_FOLDERS = new Set(["dist", "build"]); // only at the root; deeper ones are often sources
const LOG_OR_CACHE = /\.(pyc|pyo|log)$/i;

/**
 * @param {import("./index.d.ts").Project} project
 * @returns {Promise<Blob>} its ZIP
 */
export async function archiveOf(project) {
  if (project instanceof Blob) return project;
  if (project instanceof Uint8Array) return new Blob([/** @type {BlobPart} */ (project)]);
  const { readFile, stat } = await import("node:fs/promises");
  const isFolder = (await stat(project)).isDirectory();
  const archive = isFolder ? await packFolder(project) : await readFile(project);
  return new Blob([/** @type {BlobPart} */ (archive)], { type: "application/zip" });
}

/**
 * @param {string | URL} folder
 * @returns {Promise<Uint8Array>}
 */
export async function packFolder(folder) {
  const { zip } = await import("./zip.js");
  const { fileURLToPath } = await import("node:url");
  const root = folder instanceof URL ? fileURLToPath(folder) : folder;
  const files = [];
  for await (const file of walk(root, "")) files.push(file);
  if (!files.length) throw new TypeError(`${root} contains no file of a project`);
  return zip(files);
}

/**
 * @param {string} root
 * @param {string} above path of the folder in the project, which ends with / unless empty
 * @returns {AsyncGenerator<{ name: string, data: Uint8Array, executable: boolean }, void, void>}
 */
async function* walk(root, above) {
  const { readFile, readdir, stat } = await import("node:fs/promises");
  const { join } = await import("node:path");
  const children = await readdir(join(root, above), { withFileTypes: true });
  for (const child of children.sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const name = above + child.name;
    const path = join(root, name);
    if (isLeftOut(child.name, child.isDirectory(), above === "")) continue;
    if (child.isDirectory()) yield* walk(root, `${name}/`);
    else if (child.isFile()) {
      const { mode } = await stat(path);
      yield { name, data: await readFile(path), executable: (mode & 0o111) !== 0 };
    } else {
      throw new TypeError(`${path} is a symbolic link, device or pipe; replace it or remove it`);
    }
  }
}

/**
 * @param {string} name
 * @param {boolean} isFolder
 * @param {boolean} atRoot
 */
function isLeftOut(name, isFolder, atRoot) {
  if (CACHES.has(name)) return true;
  return isFolder ? atRoot && BUILD_FOLDERS.has(name) : LOG_OR_CACHE.test(name);
}
