/** The part of Node.js that the client uses, so that its check needs no other package. */

declare module "node:fs/promises" {
  interface Entry {
    name: string;
    isDirectory(): boolean;
    isFile(): boolean;
  }
  interface Handle {
    writeFile(data: Uint8Array): Promise<void>;
    close(): Promise<void>;
  }
  export function open(path: string, flags: string): Promise<Handle>;
  export function readFile(path: string): Promise<Uint8Array>;
  export function readdir(path: string, options: { withFileTypes: true }): Promise<Entry[]>;
  export function rename(from: string, to: string): Promise<void>;
  export function rm(path: string, options: { force: boolean }): Promise<void>;
  export function stat(path: string): Promise<{ mode: number; isDirectory(): boolean }>;
}

declare module "node:path" {
  export function join(...parts: string[]): string;
}

declare module "node:url" {
  export function fileURLToPath(url: URL): string;
}

declare module "node:zlib" {
  export function deflateRawSync(data: Uint8Array): Uint8Array;
}

declare module "node:buffer" {
  interface Buffer extends Uint8Array {
    writeUInt16LE(value: number): void;
    writeUInt32LE(value: number): void;
  }
  export const Buffer: {
    alloc(size: number): Buffer;
    from(text: string): Buffer;
    concat(parts: Uint8Array[]): Buffer;
  };
}
