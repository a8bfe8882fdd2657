/**
 * Types of the client. Objects from the server have the member names of its REST API; times are
 * Unix seconds, 0 for not yet, unless stated otherwise.
 */

// --- the client ---------------------------------------------------------------------------------

export interface FykeOptions {
  /** Address of the server. Default: the variable FYKE_URL, else http://127.0.0.1:8100. */
  url?: string;
  /** API key. Default: the variable FYKE_KEY. It is in no error and in no output of the client. */
  key?: string;
  /** Milliseconds for each request, default 30,000; for a download, between two of its parts. */
  timeout?: number;
  /**
   * How often a request is repeated after a lost connection, 429 or 503, default 3. Waiting for a
   * run and following it try for about a minute, unless this is 0.
   */
  retries?: number;
  /** Milliseconds before the first repetition, default 500; doubled for each further one. */
  retryDelay?: number;
  /** Used instead of the global fetch, for example with a proxy. */
  fetch?: typeof fetch;
}

export interface CallOptions {
  /** Stops the request, the wait or the iteration, which is rejected with the signal's reason. */
  signal?: AbortSignal;
}

/**
 * A client of one server. Methods reject with ApiError for an error answer and with Unreachable
 * without an answer. A Worker is named by its slug or `owner/name`, runs and tasks by their slug.
 */
export declare class Fyke {
  constructor(options?: FykeOptions);

  /**
   * Start a run, wait for its end and return its rows. Rejects with RunFailed unless it succeeds.
   * A signal stops the wait and not the run: see `abort`.
   */
  runAndCollect<R extends object = Row>(
    worker: string,
    input?: Record<string, unknown>,
    options?: RunAndCollectOptions,
  ): Promise<Collected<R>>;

  /** The second half of `runAndCollect`, for a run that was started before. */
  collect<R extends object = Row>(
    run: string,
    options?: RowOptions & CallOptions,
  ): Promise<Collected<R>>;

  /** Start a run; its slug. A lost answer is asked for again without a second start. */
  start(worker: string, input?: Record<string, unknown>, options?: StartOptions): Promise<string>;

  /** Start a run with the Worker, version, device and input of an earlier one; its slug. */
  rerun(run: string, options?: RestartOptions): Promise<string>;

  /** State and figures of a run. */
  run(run: string, options?: CallOptions): Promise<WorkerRun>;

  /** Wait for the end of a run: succeeded, failed or aborted. The server may restart meanwhile. */
  wait(run: string, options?: CallOptions): Promise<WorkerRun>;

  /** Stop a run; its rows stay. Also succeeds if it has been aborted before. */
  abort(run: string, options?: CallOptions): Promise<void>;

  /** Runs of the account, newest first. */
  runs(options?: RunListOptions): AsyncGenerator<WorkerRun, void, void>;

  /**
   * Rows of a run. Of a run that is not over: those that it has so far, or with `follow` also all
   * that it stores until its end. Row ids are removed.
   */
  rows<R extends object = Row>(
    run: string,
    options?: RowIteratorOptions,
  ): AsyncGenerator<R, void, void>;

  /** The log of a run, oldest entry first; with `follow` until the end of the run. */
  logs(run: string, options?: LogOptions): AsyncGenerator<LogEntry, void, void>;

  /** State, log and rows of a run as they come, until its end. A lost connection is resumed. */
  events(run: string, options?: EventOptions): AsyncGenerator<RunEvent, void, void>;

  /** A temporary link to a file with the rows, which needs no key. */
  exportLink(run: string, options?: ExportOptions): Promise<string>;

  /**
   * Write the rows to a file; its size in bytes. Without `format`, the end of its name says it. The
   * file appears when it is complete, and replaces an older one.
   */
  exportToFile(run: string, file: string, options?: ExportOptions): Promise<number>;

  /**
   * Write one ZIP that explains a run: cause, remedy, figures, log, sites, curves, last page; its
   * size in bytes. By default to `RUN-diagnosis.zip`. Secrets are masked, except in the picture of
   * the last page.
   */
  diagnose(run: string, file?: string, options?: DiagnoseOptions): Promise<number>;

  /** Published Workers and the account's own, newest first. */
  catalog(options?: SearchOptions): AsyncGenerator<CatalogWorker, void, void>;

  /** The account's own Workers, newest first. */
  workers(options?: SearchOptions): AsyncGenerator<CatalogWorker, void, void>;

  /** Newest version, readme, input schema and defaults of a Worker. */
  worker(worker: string, options?: CallOptions): Promise<WorkerDetail>;

  /** The input schema of a Worker, as published. */
  inputSchema(worker: string, options?: CallOptions): Promise<InputSchema>;

  /**
   * Publish a project as the next version of a Worker. An unknown `name` or `owner/name` becomes a
   * new Worker, private unless `public` is true. The same files again publish nothing.
   */
  publish(worker: string, project: Project, options?: PublishOptions): Promise<PublishedVersion>;

  /** Saved tasks of the account, newest first. */
  tasks(options?: TaskListOptions): AsyncGenerator<WorkerTask, void, void>;
  task(task: string, options?: CallOptions): Promise<WorkerTask>;

  /** Save an input for a Worker; the slug of the task. */
  createTask(task: NewTask, options?: CallOptions): Promise<string>;

  /** Change a task; absent members stay as they are. `system` and `version` need `input`. */
  updateTask(task: string, changes: TaskChanges, options?: CallOptions): Promise<void>;

  /** Delete a task and its schedule; its runs stay. */
  deleteTask(task: string, options?: CallOptions): Promise<void>;

  /** Start a run of a task; the slug of the run. */
  startTask(task: string, options?: RestartOptions): Promise<string>;

  /** Balance and remaining traffic of the account. */
  balance(options?: CallOptions): Promise<Balance>;
}

// --- options ------------------------------------------------------------------------------------

export interface RestartOptions extends CallOptions {
  /** Called by the server at the end of the run. */
  callbackUrl?: string;
  /**
   * 1 to 255 printable ASCII characters. The same key with the same request is the same start, for
   * 24 hours. Default: a random one.
   */
  idempotencyKey?: string;
}

export interface StartOptions extends RestartOptions {
  /** Device and limits. */
  system?: SystemInput;
  /** Default: the newest version. */
  version?: string;
}

export interface RunAndCollectOptions extends StartOptions, RowOptions {
  /** Called with the slug of the run when it has been started. */
  onStart?: (run: string) => void;
}

export interface SystemInput {
  /** MiB for each subtask: 512, 1024, 2048, 4096, 8192 or 16384. */
  memory?: number;
  cpus?: number;
  /** Seconds for each subtask. */
  execute_limit_time_seconds?: number;
  /** US dollars, 0 for no limit. */
  max_total_charge?: number;
  /** Units of 1,000,000 bytes, 0 for no limit. */
  max_total_traffic?: number;
  max_retries?: number;
  /** Two capital letters such as US. */
  proxy_region?: string;
  pool?: string;
  labels?: Record<string, string>;
  [name: string]: unknown;
}

/** Selection and form of rows, see docs/reference/rows.md. */
export interface RowOptions {
  /** Only these fields, in this order; `a.b` is inside `a`. */
  fields?: string[];
  /** Without empty members. */
  clean?: boolean;
  /** Nested members as top-level members `a.b`. */
  flatten?: boolean;
  /** A field to sort by; `-field` for descending order. */
  sort?: string;
  /** Only rows that match all of these: `field:operator:value`. */
  filter?: string[];
  /** Also the rows of subtasks whose Worker failed. */
  failedRows?: boolean;
}

export interface RowIteratorOptions extends RowOptions, CallOptions {
  /** Also the rows that come until the run ends, as they are stored; without a selection. */
  follow?: boolean;
  /** Rows for each request, 1 to 1000, default 1000; less for very large rows. */
  pageSize?: number;
}

export interface LogOptions extends CallOptions {
  follow?: boolean;
}

export interface EventOptions extends CallOptions {
  /** Default: all. `end` always comes. */
  kinds?: ("status" | "log" | "rows")[];
  /** Continue after this event. */
  lastEventId?: string;
}

export type ExportFormat =
  "csv" | "html" | "json" | "jsonl" | "parquet" | "rss" | "xls" | "xlsx" | "xml";

export interface ExportOptions extends RowOptions, CallOptions {
  format?: ExportFormat;
  /** Only these columns. */
  filterKeys?: string[];
  /** csv: escape cells that a spreadsheet would run as formulas. */
  safe?: boolean;
  /** csv: start with a byte order mark. */
  bom?: boolean;
}

export interface DiagnoseOptions extends CallOptions {
  /** Whether the archive contains the picture of the last page; true by default. */
  picture?: boolean;
}

export interface SearchOptions extends CallOptions {
  /** A part of slug, path, title or description. */
  keyword?: string;
}

export interface TaskListOptions extends SearchOptions {
  worker?: string;
}

export interface RunListOptions extends CallOptions {
  worker?: string;
  status?: RunStatus;
  startTime?: number;
  /** The beginning of a day; all of that day is included. */
  endTime?: number;
}

/** The path of a folder or a ZIP file, or the bytes of a ZIP. */
export type Project = string | Uint8Array | Blob;

export interface PublishOptions extends CallOptions {
  /** Default: the heading of README.md. */
  title?: string;
  description?: string;
  /** Whether others may find and run the Worker. */
  public?: boolean;
  categories?: number[];
  /** URL of a picture. */
  icon?: string;
}

export interface NewTask {
  worker: string;
  /** Default: the name of the Worker. */
  title?: string;
  input?: Record<string, unknown>;
  system?: SystemInput;
  /** Default: `latest`, the newest version at the time of each run. */
  version?: string;
  description?: string;
}

export type TaskChanges = Partial<Omit<NewTask, "worker">>;

// --- answers ------------------------------------------------------------------------------------

export type RunStatus = "ready" | "running" | "succeeded" | "failed" | "aborting" | "aborted";

export interface WorkerRun {
  run_slug: string;
  status: RunStatus;
  /** Why it failed, else empty. */
  err_msg: string;
  worker_slug: string;
  scraper_title: string;
  version: string;
  /** Rows so far. */
  results: number;
  /** US dollars. */
  usage: string;
  /** Bytes through the proxy, both ways. */
  traffic: number;
  origin: "api" | "api_v2" | "schedule" | "web";
  started_at: number;
  finished_at: number;
  /** Seconds, 0 until the run has ended. */
  duration: number;
}

/** A row as the Worker pushed it. Numbers above 2^53 are rounded by JavaScript; exports keep them. */
export type Row = Record<string, any>;

/** A row as the API sends it: with its id. */
export type EventRow = Row & { __coreclaw_data_id__?: string };

export interface Collected<R extends object = Row> {
  run: WorkerRun;
  rows: R[];
}

export interface LogEntry {
  /** Increases within the run, from 1. */
  position: number;
  /** 1 debug, 2 information, 3 warning, 4 error. */
  type: 1 | 2 | 3 | 4;
  /** Number of the subtask. */
  group: string;
  content: string;
  /** Unix milliseconds. */
  timestamp: number;
}

export type RunEvent = { id: string } & (
  | { event: "status" | "end"; data: WorkerRun }
  | { event: "log"; data: { list: LogEntry[] } }
  | { event: "rows"; data: { list: { position: number; row: EventRow }[] } }
);

export interface CatalogWorker {
  slug: string;
  title: string;
  description: string;
  name: string;
  username: string;
  /** `owner~name` */
  path: string;
}

export interface WorkerDetail extends CatalogWorker {
  version: string;
  /** Markdown. */
  readme: string;
  parameters: { system: SystemInput; custom: InputSchema };
}

export interface InputSchema {
  description?: string;
  properties?: Record<string, any>[];
  [name: string]: unknown;
}

export interface PublishedVersion {
  slug: string;
  path: string;
  version: string;
  findings: Finding[];
}

export interface Finding {
  severity: "error" | "info" | "warning";
  code: string;
  file: string;
  /** From 1; 0 for the whole file. */
  line: number;
  message: string;
  remedy: string;
}

export interface WorkerTask {
  slug: string;
  title: string;
  description: string;
  version: string;
  worker_slug: string;
  worker_path: string;
  worker_title: string;
  input: { parameters: { custom: Record<string, unknown>; system?: SystemInput } };
  run_times: number;
  last_run_slug: string;
  schedule_enabled: 0 | 1;
  created_at: number;
  updated_at: number;
  [name: string]: unknown;
}

export interface Balance {
  /** US dollars. */
  balance: string;
  balance_expiration_at: number;
  /** Bytes that remain. */
  traffic: number;
  traffic_expiration_at: number;
}

// --- errors -------------------------------------------------------------------------------------

/** The root of the client's errors. Wrong arguments are a TypeError. */
export declare class FykeError extends Error {
  constructor(message: string, options?: ErrorOptions);
}

export interface ApiErrorFields {
  /** HTTP status. */
  status: number;
  /** Number of the error, see the pages of the API. */
  code: number;
  message: string;
  /** A sentence for each problem. */
  details: string[];
  /** Name of the error, such as `refused`, may be empty. */
  key: string;
  /** Code of the reason, may be empty. */
  reason: string;
  /** Finds the request in the log of the server. */
  requestId: string;
  /** Seconds, null if the server has not sent it. */
  retryAfter: number | null;
}

/** The server answered with an error. */
export declare class ApiError extends FykeError implements ApiErrorFields {
  constructor(fields: ApiErrorFields);
  status: number;
  code: number;
  details: string[];
  key: string;
  reason: string;
  requestId: string;
  retryAfter: number | null;
}

/** No answer, or none from a Fyke server. */
export declare class Unreachable extends FykeError {}

/** A run that was waited for has failed or was aborted. Its rows and log can be read by its slug. */
export declare class RunFailed extends FykeError {
  constructor(run: WorkerRun);
  run: WorkerRun;
}

/** A message is not from this Fyke, is too old, or lacks a header. */
export declare class WebhookError extends FykeError {}

// --- webhooks and projects ----------------------------------------------------------------------

export interface SignedMessage {
  /** As it was received, not parsed. */
  body: string | Uint8Array | ArrayBuffer;
  headers: Headers | Record<string, string | string[] | undefined>;
  /** `whsec_...` of the account or the webhook; several while one is replaced by another. */
  secret: string | string[];
  /** Seconds that the time of the message may differ from ours, default 300. */
  tolerance?: number;
  /** Unix seconds, default: the time of the machine. */
  now?: number;
}

/** The parsed body of a callback or webhook; rejects with WebhookError unless it is genuine. */
export declare function verifyWebhook<T = any>(message: SignedMessage): Promise<T>;

/** The ZIP of a project's folder, without caches, logs and build products. */
export declare function packFolder(folder: string | URL): Promise<Uint8Array>;
