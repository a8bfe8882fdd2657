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
  ): Promise<R[]>;

  /** The second half of `runAndCollect`, for a run that was started before. */
  collect<R extends object = Row>(run: string, options?: RowOptions & CallOptions): Promise<R[]>;

  /** Start a run; its slug. A lost answer is asked for again without a second start. */
  start(worker: string, input?: Record<string, unknown>, options?: StartOptions): Promise<string>;

  /** Start a run with the Worker, version, device and input of an earlier one; its slug. */
  rerun(run: string, options?: RestartOptions): Promise<string>;

  /** State and figures of a run. */
  run(run: string, options?: CallOptions): Promise<WorkerRun>;

  /** The state of a run, or how it ended, with the number of `hidden` rows. */
  runSummary(run: string, options?: CallOptions): Promise<RunSummary>;

  /** Runs of the account, newest first. */
  runs(options?: RunListOptions): AsyncGenerator<RunItem, void, void>;

  /** Wait for the end of a run: succeeded, failed or aborted. The server may restart meanwhile. */
  wait(run: string, options?: CallOptions): Promise<WorkerRun>;

  /** Stop a run; its rows stay. Also succeeds if it has been aborted before. */
  abort(run: string, options?: CallOptions): Promise<void>;

  /** Delete a finished run with its rows and logs. */
  deleteRun(run: string, options?: CallOptions): Promise<void>;

  /** What has happened to a run, in order. */
  events(run: string, options?: CallOptions): Promise<RunHistoryItem[]>;

  /** The log that a run has now, oldest entry first. */
  logs(run: string, options?: CallOptions): AsyncGenerator<LogEntry, void, void>;

  /**
   * State, log and rows of a run as they come, from its beginning until the event `end`. A lost
   * connection is resumed, and nothing is lost or repeated.
   */
  follow(run: string, options?: FollowOptions): AsyncGenerator<RunEvent, void, void>;

  /** The rows of a run as they are pushed, until it ends. */
  followRows<R extends object = Row>(
    run: string,
    options?: CallOptions,
  ): AsyncGenerator<R, void, void>;

  /** The log of a run as it is written, until it ends. */
  followLogs(run: string, options?: CallOptions): AsyncGenerator<LogEntry, void, void>;

  /** The rows that a run has now, without their ids. */
  rows<R extends object = Row>(
    run: string,
    options?: RowIteratorOptions,
  ): AsyncGenerator<R, void, void>;

  /** A temporary link to a file with the rows, which needs no key. */
  export(run: string, options?: ExportOptions): Promise<string>;

  /**
   * Write the rows to a file; its path. Without `format`, the end of its name says it. The file
   * appears when it is complete, and replaces an older one.
   */
  exportTo(run: string, path: string, options?: ExportOptions): Promise<string>;

  /**
   * Write one ZIP that explains a run: cause, remedy, figures, log, sites, curves, last page; its
   * path. By default to `RUN-diagnosis.zip`. Secrets are masked, except in the picture of the last
   * page, which `picture: false` leaves out, and in input fields that neither ask for a secret nor
   * are named like one. The file appears when it is complete, and replaces an older one.
   */
  diagnose(run: string, path?: string, options?: DiagnoseOptions): Promise<string>;

  /** Workers of the catalog whose slug, path, title or description contains the text. */
  search(text: string, options?: SearchOptions): Promise<CatalogWorker[]>;

  /** Newest version, readme, input schema and defaults of a Worker. */
  worker(worker: string, options?: CallOptions): Promise<WorkerDetail>;

  /** The input schema of a Worker, as published. */
  inputSchema(worker: string, options?: CallOptions): Promise<InputSchema>;

  /** The proxy regions that a run may use. */
  regions(options?: CallOptions): Promise<Region[]>;

  /**
   * Publish a project as the next version of the Worker `name`: `owner/name`, or a name in the
   * caller's account. A missing one is created, private unless `public` is true. The same files
   * again publish nothing.
   */
  pushWorker(project: Project, options: PushOptions): Promise<PublishedVersion>;

  /** The Workers of the account. */
  ownWorkers(options?: CallOptions): Promise<OwnWorker[]>;

  /** The versions of a Worker, newest first. */
  versions(worker: string, options?: CallOptions): Promise<WorkerVersion[]>;

  /** Delete a Worker; how many of its waiting runs have failed because of it. */
  deleteWorker(worker: string, options?: CallOptions): Promise<number>;

  /** The probable usage and cost of a run. */
  estimate(worker: string, options?: EstimateOptions): Promise<Estimate>;

  /** Save an input for a Worker; the slug of the task. */
  createTask(
    worker: string,
    input: Record<string, unknown>,
    options?: TaskOptions,
  ): Promise<string>;

  /** Saved tasks of the account, newest first. */
  tasks(options?: TaskListOptions): AsyncGenerator<WorkerTask, void, void>;

  task(task: string, options?: CallOptions): Promise<WorkerTask>;

  /** A task, and whether it can run as it is saved. */
  checkedTask(task: string, options?: CallOptions): Promise<CheckedTask>;

  /** Change title and description; absent ones stay as they are. */
  updateTask(task: string, changes: TaskChanges): Promise<void>;

  /** Replace the input, and the version if one is given. */
  setTaskInput(
    task: string,
    input: Record<string, unknown>,
    options?: TaskInputOptions,
  ): Promise<void>;

  /** Delete a task and its schedule; its runs stay. */
  deleteTask(task: string, options?: CallOptions): Promise<void>;

  /** Start a run of a task; the slug of the run. */
  startTask(task: string, options?: RestartOptions): Promise<string>;

  /** Replace the schedule of a task. */
  setSchedule(task: string, timing: Timing, options?: ScheduleOptions): Promise<Schedule>;

  /** Enable or disable the schedule; enabling resumes one that was paused. */
  switchSchedule(task: string, options: { on: boolean } & CallOptions): Promise<Schedule>;

  schedule(task: string, options?: CallOptions): Promise<Schedule>;
  deleteSchedule(task: string, options?: CallOptions): Promise<void>;

  /** The next times of the task's schedule, or of `timing`. */
  nextTimes(task: string, options?: NextTimesOptions): Promise<NextTimes>;

  /** Results of past planned times, latest first. */
  fires(task: string, options?: PageOptions): Promise<Fires>;

  /** Set the account's time zone, for schedules without one; the zone. */
  setTimeZone(timeZone: string, options?: CallOptions): Promise<string>;

  /** Balance and remaining traffic of the account. */
  accountInfo(options?: CallOptions): Promise<AccountInfo>;

  /** The caller's account, with the secret that signs its callbacks. */
  account(options?: CallOptions): Promise<OwnAccount>;

  /** The server's version. */
  version(options?: CallOptions): Promise<string>;

  /** Whether the storage answers, a runner is alive, and every process reports. */
  ready(options?: CallOptions): Promise<boolean>;

  /** Why the server is not ready, empty if it is. */
  notReady(options?: CallOptions): Promise<string>;

  /** Any other operation of the API; `data` of its answer. */
  request<T = any>(method: string, path: string, options?: RequestOptions): Promise<T>;
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
  /** Rows for each request, 1 to 1000, default 1000; less for very large rows. */
  pageSize?: number;
}

export interface FollowOptions extends CallOptions {
  /** Default: all. `end` always comes. */
  kinds?: ("status" | "log" | "rows")[];
  /** Continue after the event with this id. */
  after?: string;
}

export type ExportFormat =
  "csv" | "html" | "json" | "jsonl" | "parquet" | "rss" | "xls" | "xlsx" | "xml";

export interface ExportOptions extends RowOptions, CallOptions {
  format?: ExportFormat;
  /** Only these columns. */
  keys?: string[];
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
  /** The most Workers, default 10. */
  limit?: number;
  /** Only Workers that use a browser, or only those that do not. */
  browser?: "with" | "without";
}

export interface TaskListOptions extends CallOptions {
  worker?: string;
  /** A part of a title or slug. */
  keyword?: string;
}

export interface RunListOptions extends CallOptions {
  worker?: string;
  /** Such as `failed` or `active`. */
  state?: string;
  /** Codes of why they ended, separated by commas. */
  reason?: string;
}

export interface PageOptions extends CallOptions {
  /** Number of the page, from 1. */
  pageIndex?: number;
  /** Default 20. */
  pageSize?: number;
}

/** The path of a folder or a ZIP file, or the bytes of a ZIP. */
export type Project = string | Uint8Array | Blob;

export interface PushOptions extends CallOptions {
  /** `owner/name`, or a name in the caller's account. */
  name: string;
  /** Default: the heading of README.md. */
  title?: string;
  description?: string;
  /** Whether others may find and run the Worker. */
  public?: boolean;
  categories?: number[];
  /** URL of a picture. */
  icon?: string;
  /** Whether the version becomes the current one. Default: true. */
  promote?: boolean;
}

export interface EstimateOptions extends CallOptions {
  version?: string;
  subtasks?: number;
  system?: SystemInput;
}

export interface TaskInputOptions extends CallOptions {
  system?: SystemInput;
  version?: string;
}

export interface TaskOptions extends TaskInputOptions {
  /** Default: the name of the Worker. */
  title?: string;
  /** Default: `latest`, the newest version at the time of each run. */
  version?: string;
  description?: string;
}

export interface TaskChanges extends CallOptions {
  title?: string;
  description?: string;
}

export interface Timing {
  kind: "daily" | "weekly" | "monthly" | "once" | "cron" | "interval";
  /** HH:MM: daily, weekly, monthly, once. */
  time?: string;
  /** 1 (Monday) to 7 (Sunday): weekly. */
  weekday?: number;
  /** Monthly; in a shorter month its last day. */
  day?: number;
  /** YYYY-MM-DD: once. */
  date?: string;
  /** Five fields: cron. */
  cron?: string;
  /** Seconds, from 60: interval. */
  every?: number;
  /** IANA name; default: the account's. */
  time_zone?: string;
}

export interface ScheduleOptions extends CallOptions {
  /** What happens at a time when the run before has not ended; default: allow. */
  overlap?: "allow" | "queue" | "skip";
  /** Default: true. */
  enabled?: boolean;
}

export interface NextTimesOptions extends CallOptions {
  /** Default 10. */
  count?: number;
  timing?: Timing;
}

export interface RequestOptions extends CallOptions {
  /** Sent as JSON. */
  body?: unknown;
  query?: Record<string, unknown>;
  /** Milliseconds that the answer may take longer than usual. */
  extraTime?: number;
  /** Of a start, which may then be sent again. */
  idempotencyKey?: string;
}

// --- answers ------------------------------------------------------------------------------------

export type RunStatus = "ready" | "running" | "succeeded" | "failed" | "aborting" | "aborted";

export interface WorkerRun {
  slug: string;
  /** The same as `slug`. */
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
  | { kind: "status" | "end"; data: WorkerRun }
  | { kind: "log"; data: { list: LogEntry[] } }
  | { kind: "rows"; data: { list: { position: number; row: EventRow }[] } }
);

/** A run in a list. */
export interface RunItem {
  slug: string;
  /** `owner/name` */
  worker: string;
  worker_slug: string;
  version: string;
  task_slug: string;
  state: string;
  /** How it ended, empty before its end. */
  outcome: string;
  /** `reason_code` as a sentence. */
  error: string;
  /** Why it ended, empty without a reason. */
  reason_code: string;
  /** Rows. */
  results: number;
  /** US dollars. */
  usage: string;
  traffic: number;
  created_at: number;
  started_at: number;
  finished_at: number;
  /** Seconds. */
  duration: number;
  [name: string]: unknown;
}

export interface RunSummary {
  slug: string;
  state: string;
  /** How it ended, empty before its end. */
  outcome: string;
  /** `reason_code` as a sentence. */
  reason: string;
  reason_code: string;
  worker_slug: string;
  version: string;
  /** Rows. */
  results: number;
  /** Stored rows that are not shown because the Worker failed. */
  hidden: number;
  usage: string;
  created_at: number;
  started_at: number;
  finished_at: number;
  [name: string]: unknown;
}

/** One thing that happened to a run. */
export interface RunHistoryItem {
  /** Unix milliseconds. */
  timestamp: number;
  kind: string;
  before: string;
  after: string;
  actor: string;
  detail: string;
  reason_code: string;
  reason_params: Record<string, any>;
  /** Of the subtask in the log; empty: not about one attempt. */
  number: string;
  [name: string]: unknown;
}

export interface CatalogWorker {
  slug: string;
  title: string;
  description: string;
  name: string;
  username: string;
  /** `owner/name` */
  path: string;
}

export interface WorkerDetail {
  slug: string;
  title: string;
  description: string;
  name: string;
  username: string;
  /** `owner~name` */
  path: string;
  version: string;
  /** Markdown. */
  readme: string;
  parameters: { system: SystemInput; custom: InputSchema };
}

export interface OwnWorker {
  slug: string;
  /** `owner/name` */
  path: string;
  title: string;
  description: string;
  public: boolean;
  /** The newest that can be started, or empty. */
  version: string;
  created_at: number;
}

export interface WorkerVersion {
  version: string;
  state: string;
  /** Why it is deprecated or withdrawn. */
  notice: string;
  language: string;
  /** Whether it runs when no version is named. */
  latest: boolean;
  /** Names that runs and tasks may give instead, such as `stable`. */
  tags: string[];
  created_at: number;
  findings: Finding[];
  [name: string]: unknown;
}

/** `p50` is the median, `p95` the 95th percentile of earlier runs. */
export interface Estimate {
  version: string;
  /** Whether there are enough earlier runs. */
  enough: boolean;
  /** Earlier runs that were used. */
  runs: number;
  /** Seconds from start to end; null without enough runs. */
  time: { p50: number; p95: number } | null;
  /** Bytes. */
  traffic: { p50: number; p95: number } | null;
  /** US dollars. */
  charge: { p50: string; p95: string } | null;
  [name: string]: unknown;
}

export interface Region {
  code: string;
  name: string;
}

export interface InputSchema {
  description?: string;
  properties?: Record<string, any>[];
  [name: string]: unknown;
}

export interface PublishedVersion {
  slug: string;
  /** `owner/name` */
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

export interface CheckedTask {
  slug: string;
  title: string;
  worker_path: string;
  /** Why it cannot run as saved, else empty. */
  fault: string;
  /** Fields and run options that its version does not accept. */
  problems: { field: string; message: string }[];
  [name: string]: unknown;
}

export interface Schedule extends Required<Timing> {
  enabled: boolean;
  overlap: "allow" | "queue" | "skip";
  /** 0 = none. */
  next_at: number;
  last_fired_at: number;
  /** When it was paused after failures, 0 = it was not. */
  paused_at: number;
  [name: string]: unknown;
}

export interface NextTimes {
  time_zone: string;
  /** `local`: the local time, ISO 8601. */
  list: { at: number; local: string }[];
}

export interface Fires {
  count: number;
  list: { planned_at: number; state: string; run_slug: string; reason: string; at: number }[];
  page_index: number;
  page_size: number;
}

export interface AccountInfo {
  /** US dollars. */
  balance: string;
  balance_expiration_at: number;
  /** Bytes that remain. */
  traffic: number;
  traffic_expiration_at: number;
}

export interface OwnAccount {
  id: string;
  name: string;
  /** US dollars. */
  balance: string;
  /** Bytes that remain. */
  traffic: number;
  /** Default of schedules; an IANA name. */
  time_zone: string;
  /** `whsec_...`, signs the callbacks of the account. */
  webhook_secret: string;
  [name: string]: unknown;
}

// --- errors -------------------------------------------------------------------------------------

/** The root of the client's errors. Wrong arguments are a TypeError. */
export declare class ClientError extends Error {
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
  /** Seconds, 0 if the server has not sent it. */
  retryAfter: number;
}

/** The server answered with an error. */
export declare class ApiError extends ClientError implements ApiErrorFields {
  constructor(fields: ApiErrorFields);
  status: number;
  code: number;
  details: string[];
  key: string;
  reason: string;
  requestId: string;
  retryAfter: number;
}

/** No answer, or none from a Fyke server. */
export declare class Unreachable extends ClientError {}

/** A run that was waited for has failed or was aborted. Its rows and log can be read by its slug. */
export declare class RunFailed extends ClientError {
  constructor(run: WorkerRun);
  run: WorkerRun;
}

/** A message is not from this Fyke, is too old, or lacks a header. */
export declare class InvalidSignature extends ClientError {}

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

/** The parsed body of a callback or webhook; rejects with InvalidSignature unless it is genuine. */
export declare function verifyWebhook<T = any>(message: SignedMessage): Promise<T>;

/** The ZIP of a project's folder, without caches, logs and build products. */
export declare function packFolder(folder: string | URL): Promise<Uint8Array>;
