/** What the platform answered: `code` is always 0, since a call with another code rejects. */
export interface Response {
  code: number;
  message: string;
}

/** One column. `format` is text, number, integer, boolean, array or object. */
export interface TableHeader {
  label: string;
  key: string;
  format?: string;
}

/** The platform did not carry out a call; `code` is the code of its answer. */
export class SDKError extends Error {
  constructor(code: number, message: string);
  code: number;
}

/** The input of this task. */
export const parameter: {
  /** The input as JSON text; `{}` when there is none. */
  getInputJSONString(): Promise<string>;
  /** The input as a value. */
  getInputJSONObject<T = Record<string, any>>(): Promise<T>;
};

/** Columns and rows of this task. */
export const result: {
  /** Declare the columns. The last call counts. */
  setTableHeader(headers: TableHeader[]): Promise<Response>;
  /** Store one row, normally an object. Resolves when it is stored. */
  pushData(data: unknown): Promise<Response>;
  /** Store one row, or merge it into the row of this run with the same value in `uniqueKey`. */
  upsertData(data: Record<string, unknown>, uniqueKey: string): Promise<Response>;
};

/** How far this task is. A call of Fyke: other platforms do not have it. */
export const progress: {
  /**
   * Show `done` of `total` and one line of text while the task runs. The last call counts.
   * Fractions are cut off: for half of it, pass 50 and 100, not 0.5 and 1. On a platform without
   * it, nothing happens.
   */
  set(done: number, total?: number | null, text?: string): Promise<Response>;
};

/** Lines for the log of the run. */
export const log: {
  debug(line: unknown): Promise<Response>;
  info(line: unknown): Promise<Response>;
  warn(line: unknown): Promise<Response>;
  error(line: unknown): Promise<Response>;
};

/** The address at which the platform listens. */
export let ADDRESS: string;
