SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;
CREATE FUNCTION public.ledger_stays() RETURNS trigger
    LANGUAGE plpgsql
    AS $$ BEGIN RAISE EXCEPTION 'the ledger is only ever added to'; END $$;
SET default_tablespace = '';
SET default_table_access_method = heap;
CREATE TABLE public.accounts (
    id text NOT NULL COLLATE pg_catalog."C",
    name text NOT NULL COLLATE pg_catalog."C",
    time_zone text NOT NULL COLLATE pg_catalog."C",
    plan text NOT NULL COLLATE pg_catalog."C",
    operator boolean NOT NULL,
    balance_micros bigint NOT NULL,
    held_micros bigint NOT NULL,
    traffic_bytes bigint NOT NULL,
    traffic_expires_at bigint NOT NULL,
    created_at bigint NOT NULL,
    run_cap_micros bigint NOT NULL,
    month_cap_micros bigint NOT NULL
);
CREATE TABLE public.alert_budgets (
    rule_id text NOT NULL COLLATE pg_catalog."C",
    month text NOT NULL COLLATE pg_catalog."C"
);
CREATE TABLE public.alert_checks (
    seq bigint NOT NULL,
    run_id text NOT NULL COLLATE pg_catalog."C",
    account_id text NOT NULL COLLATE pg_catalog."C",
    tries bigint NOT NULL,
    not_before bigint NOT NULL
);
CREATE SEQUENCE public.alert_checks_seq_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.alert_checks_seq_seq OWNED BY public.alert_checks.seq;
CREATE TABLE public.alert_rules (
    id text NOT NULL COLLATE pg_catalog."C",
    account_id text NOT NULL COLLATE pg_catalog."C",
    name text NOT NULL COLLATE pg_catalog."C",
    kind text NOT NULL COLLATE pg_catalog."C",
    worker_id text NOT NULL COLLATE pg_catalog."C",
    task_id text NOT NULL COLLATE pg_catalog."C",
    field text NOT NULL COLLATE pg_catalog."C",
    endpoints text NOT NULL COLLATE pg_catalog."C",
    emails text NOT NULL COLLATE pg_catalog."C",
    reasons text NOT NULL COLLATE pg_catalog."C",
    factor double precision NOT NULL,
    percent double precision NOT NULL,
    usd_micros bigint NOT NULL,
    traffic_bytes bigint NOT NULL,
    since bigint NOT NULL,
    created_at bigint NOT NULL,
    updated_at bigint NOT NULL,
    enabled boolean NOT NULL
);
CREATE TABLE public.alerts (
    id text NOT NULL COLLATE pg_catalog."C",
    account_id text NOT NULL COLLATE pg_catalog."C",
    rule_id text NOT NULL COLLATE pg_catalog."C",
    rule_name text NOT NULL COLLATE pg_catalog."C",
    kind text NOT NULL COLLATE pg_catalog."C",
    run_id text NOT NULL COLLATE pg_catalog."C",
    worker_id text NOT NULL COLLATE pg_catalog."C",
    task_id text NOT NULL COLLATE pg_catalog."C",
    sentence text NOT NULL COLLATE pg_catalog."C",
    reason_code text NOT NULL COLLATE pg_catalog."C",
    reason_params text NOT NULL COLLATE pg_catalog."C",
    at bigint NOT NULL,
    read_at bigint NOT NULL
);
CREATE TABLE public.api_keys (
    id text NOT NULL COLLATE pg_catalog."C",
    account_id text NOT NULL COLLATE pg_catalog."C",
    user_id text NOT NULL COLLATE pg_catalog."C",
    name text NOT NULL COLLATE pg_catalog."C",
    prefix text NOT NULL COLLATE pg_catalog."C",
    digest text NOT NULL COLLATE pg_catalog."C",
    scopes text NOT NULL COLLATE pg_catalog."C",
    created_at bigint NOT NULL,
    expires_at bigint NOT NULL,
    revoked_at bigint NOT NULL,
    last_used_at bigint NOT NULL,
    rate_limit bigint NOT NULL
);
CREATE TABLE public.attempt_sites (
    attempt_id text NOT NULL COLLATE pg_catalog."C",
    run_id text NOT NULL COLLATE pg_catalog."C",
    sites text NOT NULL COLLATE pg_catalog."C"
);
CREATE TABLE public.attempts (
    id text NOT NULL COLLATE pg_catalog."C",
    run_id text NOT NULL COLLATE pg_catalog."C",
    number text NOT NULL COLLATE pg_catalog."C",
    runner_id text NOT NULL COLLATE pg_catalog."C",
    err_msg text NOT NULL COLLATE pg_catalog."C",
    reason_code text NOT NULL COLLATE pg_catalog."C",
    reason_params text NOT NULL COLLATE pg_catalog."C",
    ordinal bigint NOT NULL,
    token bigint NOT NULL,
    lease_until bigint NOT NULL,
    rows bigint NOT NULL,
    traffic_bytes bigint NOT NULL,
    cpu_ms bigint NOT NULL,
    memory_peak_bytes bigint NOT NULL,
    started_at bigint NOT NULL,
    finished_at bigint NOT NULL,
    memory_bytes bigint NOT NULL,
    memory_mb_ms bigint NOT NULL,
    outcome text COLLATE pg_catalog."C"
);
CREATE TABLE public.audit (
    seq bigint NOT NULL,
    account_id text NOT NULL COLLATE pg_catalog."C",
    user_id text NOT NULL COLLATE pg_catalog."C",
    user_name text NOT NULL COLLATE pg_catalog."C",
    key_id text NOT NULL COLLATE pg_catalog."C",
    session_id text NOT NULL COLLATE pg_catalog."C",
    address text NOT NULL COLLATE pg_catalog."C",
    action text NOT NULL COLLATE pg_catalog."C",
    target text NOT NULL COLLATE pg_catalog."C",
    detail text NOT NULL COLLATE pg_catalog."C",
    at bigint NOT NULL
);
CREATE SEQUENCE public.audit_seq_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.audit_seq_seq OWNED BY public.audit.seq;
CREATE TABLE public.callback_hosts (
    host text NOT NULL COLLATE pg_catalog."C",
    standing text NOT NULL COLLATE pg_catalog."C",
    next_at bigint NOT NULL
);
CREATE TABLE public.deliveries (
    id text NOT NULL COLLATE pg_catalog."C",
    account_id text NOT NULL COLLATE pg_catalog."C",
    run_id text NOT NULL COLLATE pg_catalog."C",
    url text NOT NULL COLLATE pg_catalog."C",
    payload text NOT NULL COLLATE pg_catalog."C",
    state text NOT NULL COLLATE pg_catalog."C",
    last_error text NOT NULL COLLATE pg_catalog."C",
    kind text NOT NULL COLLATE pg_catalog."C",
    receiver text NOT NULL COLLATE pg_catalog."C",
    host text NOT NULL COLLATE pg_catalog."C",
    endpoint_id text NOT NULL COLLATE pg_catalog."C",
    event text NOT NULL COLLATE pg_catalog."C",
    tries bigint NOT NULL,
    next_at bigint NOT NULL,
    last_status bigint NOT NULL,
    created_at bigint NOT NULL,
    ended_at bigint NOT NULL,
    claimed_until bigint NOT NULL
);
CREATE TABLE public.delivery_tries (
    seq bigint NOT NULL,
    delivery_id text NOT NULL COLLATE pg_catalog."C",
    error text NOT NULL COLLATE pg_catalog."C",
    reply text NOT NULL COLLATE pg_catalog."C",
    at bigint NOT NULL,
    status bigint NOT NULL,
    duration_ms bigint NOT NULL
);
CREATE SEQUENCE public.delivery_tries_seq_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.delivery_tries_seq_seq OWNED BY public.delivery_tries.seq;
CREATE TABLE public.favourites (
    user_id text NOT NULL COLLATE pg_catalog."C",
    worker_id text NOT NULL COLLATE pg_catalog."C",
    added_at bigint NOT NULL
);
CREATE TABLE public.input_defaults (
    user_id text NOT NULL COLLATE pg_catalog."C",
    worker_id text NOT NULL COLLATE pg_catalog."C",
    input_json text NOT NULL COLLATE pg_catalog."C",
    saved_at bigint NOT NULL
);
CREATE TABLE public.ledger (
    seq bigint NOT NULL,
    id text NOT NULL COLLATE pg_catalog."C",
    account_id text NOT NULL COLLATE pg_catalog."C",
    kind text NOT NULL COLLATE pg_catalog."C",
    run_id text NOT NULL COLLATE pg_catalog."C",
    note text NOT NULL COLLATE pg_catalog."C",
    at bigint NOT NULL,
    usd_micros bigint NOT NULL,
    traffic_bytes bigint NOT NULL
);
CREATE SEQUENCE public.ledger_seq_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.ledger_seq_seq OWNED BY public.ledger.seq;
CREATE TABLE public.one_time_links (
    digest text NOT NULL COLLATE pg_catalog."C",
    purpose text NOT NULL COLLATE pg_catalog."C",
    user_id text NOT NULL COLLATE pg_catalog."C",
    created_at bigint NOT NULL,
    expires_at bigint NOT NULL
);
CREATE TABLE public.preferences (
    user_id text NOT NULL COLLATE pg_catalog."C",
    language text NOT NULL COLLATE pg_catalog."C",
    theme text NOT NULL COLLATE pg_catalog."C",
    time_zone text NOT NULL COLLATE pg_catalog."C",
    snippets text NOT NULL COLLATE pg_catalog."C",
    views text NOT NULL COLLATE pg_catalog."C"
);
CREATE TABLE public.queue_items (
    number bigint NOT NULL,
    id text NOT NULL COLLATE pg_catalog."C",
    account_id text NOT NULL COLLATE pg_catalog."C",
    worker_id text NOT NULL COLLATE pg_catalog."C",
    version text NOT NULL COLLATE pg_catalog."C",
    input_json text NOT NULL COLLATE pg_catalog."C",
    callback_url text NOT NULL COLLATE pg_catalog."C",
    reason_text text NOT NULL COLLATE pg_catalog."C",
    run_id text NOT NULL COLLATE pg_catalog."C",
    reason_code text NOT NULL COLLATE pg_catalog."C",
    reason_params text NOT NULL COLLATE pg_catalog."C",
    waiting boolean NOT NULL,
    created_at bigint NOT NULL,
    ended_at bigint NOT NULL
);
CREATE SEQUENCE public.queue_items_number_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.queue_items_number_seq OWNED BY public.queue_items.number;
CREATE TABLE public.receivers (
    account_id text NOT NULL COLLATE pg_catalog."C",
    receiver text NOT NULL COLLATE pg_catalog."C",
    failing_since bigint NOT NULL,
    last_success_at bigint NOT NULL,
    last_failure_at bigint NOT NULL,
    disabled_at bigint NOT NULL
);
CREATE TABLE public.results_attempts (
    number bigint NOT NULL,
    attempt_id text NOT NULL,
    run bigint,
    rows bigint NOT NULL,
    bytes bigint NOT NULL,
    closed boolean NOT NULL
);
CREATE SEQUENCE public.results_attempts_number_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.results_attempts_number_seq OWNED BY public.results_attempts.number;
CREATE TABLE public.results_headers (
    attempt bigint NOT NULL,
    data bytea NOT NULL
);
CREATE TABLE public.results_log (
    id bigint NOT NULL,
    type smallint NOT NULL,
    group_name text NOT NULL,
    content text NOT NULL,
    "timestamp" bigint NOT NULL
);
CREATE TABLE public.results_rows (
    id bigint NOT NULL,
    attempt bigint NOT NULL,
    data bytea NOT NULL
);
CREATE TABLE public.results_runs (
    number bigint NOT NULL,
    run_id text,
    rows bigint NOT NULL,
    log_entries bigint NOT NULL
);
CREATE SEQUENCE public.results_runs_number_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.results_runs_number_seq OWNED BY public.results_runs.number;
CREATE TABLE public.results_upserts (
    run bigint NOT NULL,
    digest bytea NOT NULL,
    row_id bigint NOT NULL
);
CREATE TABLE public.results_version (
    version_num character varying(32) NOT NULL
);
CREATE TABLE public.run_counts (
    account_id text NOT NULL COLLATE pg_catalog."C",
    worker_id text NOT NULL COLLATE pg_catalog."C",
    state text NOT NULL COLLATE pg_catalog."C",
    n bigint NOT NULL
);
CREATE TABLE public.run_events (
    seq bigint NOT NULL,
    run_id text NOT NULL COLLATE pg_catalog."C",
    kind text NOT NULL COLLATE pg_catalog."C",
    before text NOT NULL COLLATE pg_catalog."C",
    after text NOT NULL COLLATE pg_catalog."C",
    actor text NOT NULL COLLATE pg_catalog."C",
    detail text NOT NULL COLLATE pg_catalog."C",
    reason_code text NOT NULL COLLATE pg_catalog."C",
    reason_params text NOT NULL COLLATE pg_catalog."C",
    at bigint NOT NULL
);
CREATE SEQUENCE public.run_events_seq_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.run_events_seq_seq OWNED BY public.run_events.seq;
CREATE TABLE public.run_samples (
    run_id text NOT NULL COLLATE pg_catalog."C",
    at bigint NOT NULL,
    cpu_ms bigint NOT NULL,
    memory_bytes bigint NOT NULL,
    traffic_bytes bigint NOT NULL,
    rows bigint NOT NULL
);
CREATE TABLE public.run_shares (
    id text NOT NULL COLLATE pg_catalog."C",
    account_id text NOT NULL COLLATE pg_catalog."C",
    run_id text NOT NULL COLLATE pg_catalog."C",
    made_by text NOT NULL COLLATE pg_catalog."C",
    rows boolean NOT NULL,
    log boolean NOT NULL,
    created_at bigint NOT NULL,
    expires_at bigint NOT NULL,
    revoked_at bigint NOT NULL
);
CREATE TABLE public.run_sites (
    run_id text NOT NULL COLLATE pg_catalog."C",
    domain text NOT NULL COLLATE pg_catalog."C",
    requests bigint NOT NULL,
    bytes_up bigint NOT NULL,
    bytes_down bigint NOT NULL,
    failures bigint NOT NULL,
    refused bigint NOT NULL
);
CREATE TABLE public.runners (
    id text NOT NULL COLLATE pg_catalog."C",
    node text NOT NULL COLLATE pg_catalog."C",
    isolation text NOT NULL COLLATE pg_catalog."C",
    reason text NOT NULL COLLATE pg_catalog."C",
    checks text NOT NULL COLLATE pg_catalog."C",
    cpus double precision NOT NULL,
    memory_mb bigint NOT NULL,
    heartbeat_at bigint NOT NULL,
    unsafe boolean NOT NULL
);
CREATE TABLE public.runs (
    id text NOT NULL COLLATE pg_catalog."C",
    account_id text NOT NULL COLLATE pg_catalog."C",
    worker_id text NOT NULL COLLATE pg_catalog."C",
    version text NOT NULL COLLATE pg_catalog."C",
    task_id text NOT NULL COLLATE pg_catalog."C",
    key_id text NOT NULL COLLATE pg_catalog."C",
    origin text NOT NULL COLLATE pg_catalog."C",
    state text NOT NULL COLLATE pg_catalog."C",
    err_msg text NOT NULL COLLATE pg_catalog."C",
    region text NOT NULL COLLATE pg_catalog."C",
    egress_allow text NOT NULL COLLATE pg_catalog."C",
    input_json text NOT NULL COLLATE pg_catalog."C",
    callback_url text NOT NULL COLLATE pg_catalog."C",
    summary text NOT NULL COLLATE pg_catalog."C",
    bound text NOT NULL COLLATE pg_catalog."C",
    reason_code text NOT NULL COLLATE pg_catalog."C",
    reason_params text NOT NULL COLLATE pg_catalog."C",
    outcome text COLLATE pg_catalog."C",
    cpus double precision NOT NULL,
    memory_mb bigint NOT NULL,
    timeout_s bigint NOT NULL,
    max_charge_micros bigint NOT NULL,
    max_traffic_bytes bigint NOT NULL,
    subtasks bigint NOT NULL,
    subtasks_succeeded bigint NOT NULL,
    subtasks_failed bigint NOT NULL,
    results bigint NOT NULL,
    usage_micros bigint NOT NULL,
    traffic_bytes bigint NOT NULL,
    hold_micros bigint NOT NULL,
    created_at bigint NOT NULL,
    started_at bigint NOT NULL,
    finished_at bigint NOT NULL,
    busy_ms bigint NOT NULL,
    cpu_ms bigint NOT NULL,
    memory_mb_ms bigint NOT NULL
);
CREATE TABLE public.schedule_fires (
    task_id text NOT NULL COLLATE pg_catalog."C",
    state text NOT NULL COLLATE pg_catalog."C",
    run_id text NOT NULL COLLATE pg_catalog."C",
    reason text NOT NULL COLLATE pg_catalog."C",
    planned_at bigint NOT NULL,
    count bigint NOT NULL,
    at bigint NOT NULL
);
CREATE TABLE public.schedules (
    task_id text NOT NULL COLLATE pg_catalog."C",
    account_id text NOT NULL COLLATE pg_catalog."C",
    kind text NOT NULL COLLATE pg_catalog."C",
    "time" text NOT NULL COLLATE pg_catalog."C",
    date text NOT NULL COLLATE pg_catalog."C",
    cron text NOT NULL COLLATE pg_catalog."C",
    time_zone text NOT NULL COLLATE pg_catalog."C",
    overlap text NOT NULL COLLATE pg_catalog."C",
    last_error text NOT NULL COLLATE pg_catalog."C",
    late text NOT NULL COLLATE pg_catalog."C",
    weekday bigint NOT NULL,
    day bigint NOT NULL,
    every_s bigint NOT NULL,
    anchor_at bigint NOT NULL,
    next_at bigint NOT NULL,
    missed bigint NOT NULL,
    last_fired_at bigint NOT NULL,
    revision bigint NOT NULL,
    created_at bigint NOT NULL,
    updated_at bigint NOT NULL,
    failures bigint NOT NULL,
    paused_at bigint NOT NULL,
    enabled boolean NOT NULL
);
CREATE TABLE public.servers (
    id text NOT NULL COLLATE pg_catalog."C",
    heartbeat_at bigint NOT NULL
);
CREATE TABLE public.sessions (
    id text NOT NULL COLLATE pg_catalog."C",
    user_id text NOT NULL COLLATE pg_catalog."C",
    digest text NOT NULL COLLATE pg_catalog."C",
    agent text NOT NULL COLLATE pg_catalog."C",
    address text NOT NULL COLLATE pg_catalog."C",
    created_at bigint NOT NULL,
    seen_at bigint NOT NULL,
    expires_at bigint NOT NULL,
    ended_at bigint NOT NULL
);
CREATE TABLE public.start_keys (
    account_id text NOT NULL COLLATE pg_catalog."C",
    key text NOT NULL COLLATE pg_catalog."C",
    digest text NOT NULL COLLATE pg_catalog."C",
    made text NOT NULL COLLATE pg_catalog."C",
    ref text NOT NULL COLLATE pg_catalog."C",
    expires_at bigint NOT NULL
);
CREATE TABLE public.state_version (
    version_num character varying(32) NOT NULL
);
CREATE TABLE public.submissions (
    id text NOT NULL COLLATE pg_catalog."C",
    account_id text NOT NULL COLLATE pg_catalog."C",
    worker_id text NOT NULL COLLATE pg_catalog."C",
    version text NOT NULL COLLATE pg_catalog."C",
    state text NOT NULL COLLATE pg_catalog."C",
    note text NOT NULL COLLATE pg_catalog."C",
    decided_by text NOT NULL COLLATE pg_catalog."C",
    reply text NOT NULL COLLATE pg_catalog."C",
    sample_run_id text NOT NULL COLLATE pg_catalog."C",
    created_at bigint NOT NULL,
    decided_at bigint NOT NULL
);
CREATE TABLE public.subtasks (
    run_id text NOT NULL COLLATE pg_catalog."C",
    number text NOT NULL COLLATE pg_catalog."C",
    input_json text NOT NULL COLLATE pg_catalog."C",
    state text NOT NULL COLLATE pg_catalog."C",
    err_msg text NOT NULL COLLATE pg_catalog."C",
    reason_code text NOT NULL COLLATE pg_catalog."C",
    reason_params text NOT NULL COLLATE pg_catalog."C",
    ordinal bigint NOT NULL,
    outcome text COLLATE pg_catalog."C"
);
CREATE TABLE public.tasks (
    id text NOT NULL COLLATE pg_catalog."C",
    account_id text NOT NULL COLLATE pg_catalog."C",
    worker_id text NOT NULL COLLATE pg_catalog."C",
    title text NOT NULL COLLATE pg_catalog."C",
    version text NOT NULL COLLATE pg_catalog."C",
    input_json text NOT NULL COLLATE pg_catalog."C",
    description text NOT NULL COLLATE pg_catalog."C",
    last_run_id text NOT NULL COLLATE pg_catalog."C",
    search_text text NOT NULL COLLATE pg_catalog."C",
    created_at bigint NOT NULL,
    updated_at bigint NOT NULL,
    run_times bigint NOT NULL,
    revision bigint NOT NULL
);
CREATE TABLE public.uploads (
    id text NOT NULL COLLATE pg_catalog."C",
    account_id text NOT NULL COLLATE pg_catalog."C",
    source text NOT NULL COLLATE pg_catalog."C",
    state text NOT NULL COLLATE pg_catalog."C",
    label text NOT NULL COLLATE pg_catalog."C",
    git_url text NOT NULL COLLATE pg_catalog."C",
    git_ref text NOT NULL COLLATE pg_catalog."C",
    git_folder text NOT NULL COLLATE pg_catalog."C",
    git_commit text NOT NULL COLLATE pg_catalog."C",
    steps text NOT NULL COLLATE pg_catalog."C",
    findings text NOT NULL COLLATE pg_catalog."C",
    digest text NOT NULL COLLATE pg_catalog."C",
    language text NOT NULL COLLATE pg_catalog."C",
    title text NOT NULL COLLATE pg_catalog."C",
    description text NOT NULL COLLATE pg_catalog."C",
    input_schema text NOT NULL COLLATE pg_catalog."C",
    output_schema text NOT NULL COLLATE pg_catalog."C",
    worker_id text NOT NULL COLLATE pg_catalog."C",
    version text NOT NULL COLLATE pg_catalog."C",
    test_run_id text NOT NULL COLLATE pg_catalog."C",
    size bigint NOT NULL,
    working_until bigint NOT NULL,
    created_at bigint NOT NULL,
    updated_at bigint NOT NULL,
    egress text COLLATE pg_catalog."C",
    builds boolean NOT NULL
);
CREATE TABLE public.usage_days (
    account_id text NOT NULL COLLATE pg_catalog."C",
    part text NOT NULL COLLATE pg_catalog."C",
    ref text NOT NULL COLLATE pg_catalog."C",
    day bigint NOT NULL,
    runs bigint NOT NULL,
    failed bigint NOT NULL,
    aborted bigint NOT NULL,
    results bigint NOT NULL,
    usage_micros bigint NOT NULL,
    traffic_bytes bigint NOT NULL,
    run_ms bigint NOT NULL,
    credited_micros bigint NOT NULL,
    cpu_ms bigint NOT NULL,
    memory_mb_ms bigint NOT NULL
);
CREATE TABLE public.users (
    id text NOT NULL COLLATE pg_catalog."C",
    account_id text NOT NULL COLLATE pg_catalog."C",
    name text NOT NULL COLLATE pg_catalog."C",
    role text NOT NULL COLLATE pg_catalog."C",
    password_hash text NOT NULL COLLATE pg_catalog."C",
    disabled boolean NOT NULL,
    created_at bigint NOT NULL
);
CREATE TABLE public.version_facts (
    version_id text NOT NULL COLLATE pg_catalog."C",
    findings text NOT NULL COLLATE pg_catalog."C",
    size bigint NOT NULL
);
CREATE TABLE public.versions (
    id text NOT NULL COLLATE pg_catalog."C",
    worker_id text NOT NULL COLLATE pg_catalog."C",
    number text NOT NULL COLLATE pg_catalog."C",
    digest text NOT NULL COLLATE pg_catalog."C",
    language text NOT NULL COLLATE pg_catalog."C",
    state text NOT NULL COLLATE pg_catalog."C",
    input_schema text NOT NULL COLLATE pg_catalog."C",
    output_schema text NOT NULL COLLATE pg_catalog."C",
    readme text NOT NULL COLLATE pg_catalog."C",
    requirements text NOT NULL COLLATE pg_catalog."C",
    notice text NOT NULL COLLATE pg_catalog."C",
    secrets text NOT NULL COLLATE pg_catalog."C",
    seq bigint NOT NULL,
    memory_mb bigint NOT NULL,
    timeout_s bigint NOT NULL,
    max_charge_micros bigint NOT NULL,
    max_traffic_bytes bigint NOT NULL,
    created_at bigint NOT NULL,
    approved boolean NOT NULL,
    builds boolean NOT NULL,
    egress text COLLATE pg_catalog."C"
);
CREATE TABLE public.webhook_endpoints (
    id text NOT NULL COLLATE pg_catalog."C",
    account_id text NOT NULL COLLATE pg_catalog."C",
    name text NOT NULL COLLATE pg_catalog."C",
    url text NOT NULL COLLATE pg_catalog."C",
    events text NOT NULL COLLATE pg_catalog."C",
    description text NOT NULL COLLATE pg_catalog."C",
    salt text NOT NULL COLLATE pg_catalog."C",
    old_salt text NOT NULL COLLATE pg_catalog."C",
    last_error text NOT NULL COLLATE pg_catalog."C",
    last_reply text NOT NULL COLLATE pg_catalog."C",
    enabled boolean NOT NULL,
    old_until bigint NOT NULL,
    created_at bigint NOT NULL,
    updated_at bigint NOT NULL,
    last_at bigint NOT NULL,
    last_status bigint NOT NULL,
    failing_since bigint NOT NULL
);
CREATE TABLE public.worker_categories (
    worker_id text NOT NULL COLLATE pg_catalog."C",
    category bigint NOT NULL
);
CREATE TABLE public.worker_facts (
    worker_id text NOT NULL COLLATE pg_catalog."C",
    recent text NOT NULL COLLATE pg_catalog."C",
    runs bigint NOT NULL,
    succeeded bigint NOT NULL,
    failed bigint NOT NULL,
    last_ok_at bigint NOT NULL
);
CREATE TABLE public.worker_secrets (
    account_id text NOT NULL COLLATE pg_catalog."C",
    worker_id text NOT NULL COLLATE pg_catalog."C",
    name text NOT NULL COLLATE pg_catalog."C",
    key_id text NOT NULL COLLATE pg_catalog."C",
    sealed text NOT NULL COLLATE pg_catalog."C",
    set_by text NOT NULL COLLATE pg_catalog."C",
    set_at bigint NOT NULL,
    used_at bigint NOT NULL
);
CREATE TABLE public.workers (
    id text NOT NULL COLLATE pg_catalog."C",
    account_id text NOT NULL COLLATE pg_catalog."C",
    owner text NOT NULL COLLATE pg_catalog."C",
    name text NOT NULL COLLATE pg_catalog."C",
    title text NOT NULL COLLATE pg_catalog."C",
    description text NOT NULL COLLATE pg_catalog."C",
    latest text NOT NULL COLLATE pg_catalog."C",
    search_text text NOT NULL COLLATE pg_catalog."C",
    categories text NOT NULL COLLATE pg_catalog."C",
    icon text NOT NULL COLLATE pg_catalog."C",
    latest_approved text NOT NULL COLLATE pg_catalog."C",
    public boolean NOT NULL,
    builds_allowed boolean NOT NULL,
    created_at bigint NOT NULL,
    deleted_at bigint NOT NULL
);
ALTER TABLE ONLY public.alert_checks ALTER COLUMN seq SET DEFAULT nextval('public.alert_checks_seq_seq'::regclass);
ALTER TABLE ONLY public.audit ALTER COLUMN seq SET DEFAULT nextval('public.audit_seq_seq'::regclass);
ALTER TABLE ONLY public.delivery_tries ALTER COLUMN seq SET DEFAULT nextval('public.delivery_tries_seq_seq'::regclass);
ALTER TABLE ONLY public.ledger ALTER COLUMN seq SET DEFAULT nextval('public.ledger_seq_seq'::regclass);
ALTER TABLE ONLY public.queue_items ALTER COLUMN number SET DEFAULT nextval('public.queue_items_number_seq'::regclass);
ALTER TABLE ONLY public.results_attempts ALTER COLUMN number SET DEFAULT nextval('public.results_attempts_number_seq'::regclass);
ALTER TABLE ONLY public.results_runs ALTER COLUMN number SET DEFAULT nextval('public.results_runs_number_seq'::regclass);
ALTER TABLE ONLY public.run_events ALTER COLUMN seq SET DEFAULT nextval('public.run_events_seq_seq'::regclass);
INSERT INTO public.accounts VALUES ('01HF000000000000000000000C', 'first', 'UTC', 'unlimited', true, 960, 0, 1950, 0, 1700000000000, 0, 0);
INSERT INTO public.alert_budgets VALUES ('R1', '2023-11');
INSERT INTO public.alert_checks VALUES (1, '01HF000000000000000000000J', '01HF000000000000000000000C', 0, 0);
INSERT INTO public.alert_rules VALUES ('R1', '01HF000000000000000000000C', 'late', 'failed', '01HF000000000000000000000F', '', '', '["E1"]', '["ada@example.com"]', '["exit_code"]', 2, 0, 0, 0, 1700000000000, 1700000000000, 1700000000000, true);
INSERT INTO public.alerts VALUES ('A1', '01HF000000000000000000000C', 'R1', 'late', 'failed', '01HF000000000000000000000J', '01HF000000000000000000000F', '', 'It failed', 'exit_code', '{"code":3}', 1700000000000, 0);
INSERT INTO public.api_keys VALUES ('01HF000000000000000000000E', '01HF000000000000000000000C', '01HF000000000000000000000D', 'ci', 'scraper_api_ab', 'key-digest', 'read run write admin', 1700000000000, 0, 0, 0, 0);
INSERT INTO public.attempt_sites VALUES ('01M8EXMES4WHFC3ACGVK0C6A30', '01HF000000000000000000000N', '[{"domain":"example.org","requests":1,"bytes_up":2,"bytes_down":3,"failures":0,"refused":0}]');
INSERT INTO public.attempts VALUES ('01M8EXMENMED2YJ8EVMVMNR0X6', '01HF000000000000000000000J', '00000000000000000', 'runner-a', '', '', '', 0, 1, 1700000000005, 3, 0, 7, 0, 1700000000000, 1700000000004, 0, 9, 'succeeded');
INSERT INTO public.attempts VALUES ('01M8EXMENMED2YJ8EVMVMNR0X7', '01HF000000000000000000000J', '00000000000000001', 'runner-a', '', '', '', 1, 1, 1700000000005, 3, 0, 7, 0, 1700000000000, 1700000000004, 0, 9, 'succeeded');
INSERT INTO public.attempts VALUES ('01M8EXMES4WHFC3ACGVK0C6A30', '01HF000000000000000000000N', '00000000000000000', 'runner-a', '', '', '', 0, 1, 1700000000005, 0, 0, 0, 0, 0, 0, 0, 0, NULL);
INSERT INTO public.audit VALUES (1, '01HF000000000000000000000C', '01HF000000000000000000000D', 'ada', '', 'S1', '192.0.2.1', 'session.start', 'K1', 'ci', 1700000000000);
INSERT INTO public.callback_hosts VALUES ('example.com', 'new', 0);
INSERT INTO public.deliveries VALUES ('01HF000000000000000000000P', '01HF000000000000000000000C', '01HF000000000000000000000J', 'http://127.0.0.1/hook', '{"a":1}', 'pending', '', 'terminal', 'https://example.com:443', 'example.com', '', '', 0, 1700000000000, 0, 1700000000000, 0, 0);
INSERT INTO public.delivery_tries VALUES (1, '01HF000000000000000000000P', '', 'busy', 1700000000000, 503, 12);
INSERT INTO public.favourites VALUES ('01HF000000000000000000000D', '01HF000000000000000000000F', 1700000000000);
INSERT INTO public.input_defaults VALUES ('01HF000000000000000000000D', '01HF000000000000000000000F', '{"url": "https://example.com/é"}', 1700000000000);
INSERT INTO public.ledger VALUES (1, '01HF000000000000000000000K', '01HF000000000000000000000C', 'credit', '', 'note', 1700000000000, 1000, 2000);
INSERT INTO public.ledger VALUES (2, '01HF000000000000000000000M', '01HF000000000000000000000C', 'usage', '01HF000000000000000000000J', 'note', 1700000000000, -40, -50);
INSERT INTO public.one_time_links VALUES ('link-digest', 'setup', '01HF000000000000000000000D', 1700000000000, 1700000000009);
INSERT INTO public.preferences VALUES ('01HF000000000000000000000D', 'zh', 'system', '', '', '{"runs": "state=failed"}');
INSERT INTO public.queue_items VALUES (1, 'Q1', '01HF000000000000000000000C', '01HF000000000000000000000F', '1.0.0', '{}', '', '', '', 'exit_code', '{"code":3}', true, 1700000000000, 0);
INSERT INTO public.receivers VALUES ('01HF000000000000000000000C', 'https://example.com:443', 1700000000000, 0, 0, 0);
INSERT INTO public.results_attempts VALUES (1, 'attempt', 1, 2, 34, true);
INSERT INTO public.results_headers VALUES (1, '\x5b5b225469746c65222c227469746c65222c2274657874225d5d');
INSERT INTO public.results_log VALUES (4294967297, 2, 'worker', 'one page read', 1700000000000);
INSERT INTO public.results_rows VALUES (4294967297, 1, '\x7b227469746c65223a22636166c3a9227d');
INSERT INTO public.results_rows VALUES (4294967298, 1, '\x7b227469746c65223a22636166c3a9227d');
INSERT INTO public.results_runs VALUES (1, 'run', 2, 1);
INSERT INTO public.results_upserts VALUES (1, '\x9e1da531edaa9a5a83b6dc97723a987a', 4294967298);
INSERT INTO public.results_version VALUES ('r0001');
INSERT INTO public.run_counts VALUES ('01HF000000000000000000000C', '01HF000000000000000000000F', 'running', 1);
INSERT INTO public.run_counts VALUES ('01HF000000000000000000000C', '01HF000000000000000000000F', 'succeeded', 1);
INSERT INTO public.run_events VALUES (1, '01HF000000000000000000000J', 'moved', 'ready', 'running', 'runner a', '', 'exit_code', '{"code":3}', 1700000000000);
INSERT INTO public.run_samples VALUES ('01HF000000000000000000000J', 1700000000001, 7, 1024, 50, 3);
INSERT INTO public.run_shares VALUES ('H1', '01HF000000000000000000000C', '01HF000000000000000000000J', '', true, false, 1700000000000, 1700000000009, 0);
INSERT INTO public.run_sites VALUES ('01HF000000000000000000000J', 'example.com', 2, 20, 30, 0, 0);
INSERT INTO public.runners VALUES ('runner-a', 'node', 'full', '', '[["user", true, "ok"]]', 2, 2048, 1700000000000, false);
INSERT INTO public.runs VALUES ('01HF000000000000000000000J', '01HF000000000000000000000C', '01HF000000000000000000000F', '1.0.0', '01HF000000000000000000000H', '', 'api', 'succeeded', '', '', '["db.example:5432"]', '{"n": 12345678901234567890}', '', 'url: https://e.example', 'most', '', '', 'succeeded', 1, 512, 60, 0, 1099511627776, 2, 2, 0, 6, 40, 50, 0, 1700000000000, 1700000000000, 1700000000004, 8, 14, 0);
INSERT INTO public.runs VALUES ('01HF000000000000000000000N', '01HF000000000000000000000C', '01HF000000000000000000000F', '1.0.0', '', '', 'api', 'running', '', '', '["db.example:5432"]', '{"n": 12345678901234567890}', '', '', 'most', '', '', NULL, 1, 512, 60, 0, 1099511627776, 2, 0, 0, 0, 0, 0, 0, 1700000000000, 1700000000000, 0, 0, 0, 0);
INSERT INTO public.schedule_fires VALUES ('01HF000000000000000000000H', 'started', '', '', 1700000000000, 1, 1700000000000);
INSERT INTO public.schedules VALUES ('01HF000000000000000000000H', '01HF000000000000000000000C', 'cron', '', '', '5 4 * * 1', 'Europe/Berlin', 'skip', '', 'start', 0, 0, 0, 1700000000000, 1700000000009, 1, 1700000000000, 2, 1700000000000, 1700000000000, 0, 0, true);
INSERT INTO public.servers VALUES ('server-a', 1700000000000);
INSERT INTO public.sessions VALUES ('S1', '01HF000000000000000000000D', 'session-digest', 'agent', '192.0.2.1', 1700000000000, 1700000000000, 1700000000009, 0);
INSERT INTO public.start_keys VALUES ('01HF000000000000000000000C', 'key-1', 'digest', 'run', '01HF000000000000000000000J', 1700000000009);
INSERT INTO public.state_version VALUES ('s0001');
INSERT INTO public.submissions VALUES ('B1', '01HF000000000000000000000C', '01HF000000000000000000000F', '1.0.0', 'waiting', 'please', '', '', '', 1700000000000, 0);
INSERT INTO public.subtasks VALUES ('01HF000000000000000000000J', '00000000000000000', '{}', 'ended', '', '', '', 0, 'succeeded');
INSERT INTO public.subtasks VALUES ('01HF000000000000000000000J', '00000000000000001', '{}', 'ended', '', '', '', 1, 'succeeded');
INSERT INTO public.subtasks VALUES ('01HF000000000000000000000N', '00000000000000001', '{}', 'waiting', '', '', '', 1, NULL);
INSERT INTO public.subtasks VALUES ('01HF000000000000000000000N', '00000000000000000', '{}', 'running', '', '', '', 0, NULL);
INSERT INTO public.tasks VALUES ('01HF000000000000000000000H', '01HF000000000000000000000C', '01HF000000000000000000000F', 'Saved', '', '{}', '', '01HF000000000000000000000J', '01hf000000000000000000000hsaved', 1700000000000, 1700000000000, 1, 0);
INSERT INTO public.uploads VALUES ('U1', '01HF000000000000000000000C', 'zip', 'working', 'titles.zip', '', '', '', '', '[{"name": "read", "state": "waiting", "note": ""}]', '[{"severity": "warning", "code": "no_readme", "file": "README.md", "line": 0, "message": "There is no README", "remedy": "Add one"}]', 'd', 'python', 'T', '', '{}', '', '01HF000000000000000000000F', '1.0.0', '', 99, 0, 1700000000000, 1700000000000, '["example.com"]', false);
INSERT INTO public.usage_days VALUES ('01HF000000000000000000000C', '', '', 20231114, 1, 0, 0, 6, 40, 50, 0, 0, 0, 0);
INSERT INTO public.usage_days VALUES ('01HF000000000000000000000C', 'key', '', 20231114, 1, 0, 0, 6, 40, 50, 0, 0, 0, 0);
INSERT INTO public.usage_days VALUES ('01HF000000000000000000000C', 'task', '01HF000000000000000000000H', 20231114, 1, 0, 0, 6, 40, 50, 0, 0, 0, 0);
INSERT INTO public.usage_days VALUES ('01HF000000000000000000000C', 'worker', '01HF000000000000000000000F', 20231114, 1, 0, 0, 6, 40, 50, 0, 0, 0, 0);
INSERT INTO public.users VALUES ('01HF000000000000000000000D', '01HF000000000000000000000C', 'ada', 'owner', '$argon2id$v=19$x', false, 1700000000000);
INSERT INTO public.version_facts VALUES ('01HF000000000000000000000G', '[{"severity": "warning", "code": "no_readme", "file": "README.md", "line": 0, "message": "There is no README", "remedy": "Add one"}]', 1234);
INSERT INTO public.versions VALUES ('01HF000000000000000000000G', '01HF000000000000000000000F', '1.0.0', 'dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd', 'python', 'published', '{"a": 1}', '', '# Read', '', '', '["TOKEN"]', 1, 256, 60, 0, 0, 1700000000000, true, false, '["example.com"]');
INSERT INTO public.webhook_endpoints VALUES ('E1', '01HF000000000000000000000C', 'ops', 'https://example.com/h', '["run.started", "run.succeeded"]', '', 's', '', '', '', true, 0, 1700000000000, 1700000000000, 0, 0, 0);
INSERT INTO public.worker_categories VALUES ('01HF000000000000000000000F', 3);
INSERT INTO public.worker_categories VALUES ('01HF000000000000000000000F', 7);
INSERT INTO public.worker_facts VALUES ('01HF000000000000000000000F', '+', 1, 1, 0, 1700000000004);
INSERT INTO public.worker_secrets VALUES ('01HF000000000000000000000C', '01HF000000000000000000000F', 'TOKEN', 'k1', 'c2VhbGVk', 'ada', 1700000000000, 0);
INSERT INTO public.workers VALUES ('01HF000000000000000000000F', '01HF000000000000000000000C', 'acme', 'titles', 'Title', 'Text', '1.0.0', '01hf000000000000000000000facme/titlestitletext', '[3, 7]', '', '1.0.0', true, false, 1700000000000, 0);
SELECT pg_catalog.setval('public.alert_checks_seq_seq', 1, true);
SELECT pg_catalog.setval('public.audit_seq_seq', 1, true);
SELECT pg_catalog.setval('public.delivery_tries_seq_seq', 1, true);
SELECT pg_catalog.setval('public.ledger_seq_seq', 2, true);
SELECT pg_catalog.setval('public.queue_items_number_seq', 1, true);
SELECT pg_catalog.setval('public.results_attempts_number_seq', 2, true);
SELECT pg_catalog.setval('public.results_runs_number_seq', 1, true);
SELECT pg_catalog.setval('public.run_events_seq_seq', 1, true);
ALTER TABLE ONLY public.accounts
    ADD CONSTRAINT pk_accounts PRIMARY KEY (id);
ALTER TABLE ONLY public.alert_budgets
    ADD CONSTRAINT pk_alert_budgets PRIMARY KEY (rule_id, month);
ALTER TABLE ONLY public.alert_checks
    ADD CONSTRAINT pk_alert_checks PRIMARY KEY (seq);
ALTER TABLE ONLY public.alert_rules
    ADD CONSTRAINT pk_alert_rules PRIMARY KEY (id);
ALTER TABLE ONLY public.alerts
    ADD CONSTRAINT pk_alerts PRIMARY KEY (id);
ALTER TABLE ONLY public.api_keys
    ADD CONSTRAINT pk_api_keys PRIMARY KEY (id);
ALTER TABLE ONLY public.attempt_sites
    ADD CONSTRAINT pk_attempt_sites PRIMARY KEY (attempt_id);
ALTER TABLE ONLY public.attempts
    ADD CONSTRAINT pk_attempts PRIMARY KEY (id);
ALTER TABLE ONLY public.audit
    ADD CONSTRAINT pk_audit PRIMARY KEY (seq);
ALTER TABLE ONLY public.callback_hosts
    ADD CONSTRAINT pk_callback_hosts PRIMARY KEY (host);
ALTER TABLE ONLY public.deliveries
    ADD CONSTRAINT pk_deliveries PRIMARY KEY (id);
ALTER TABLE ONLY public.delivery_tries
    ADD CONSTRAINT pk_delivery_tries PRIMARY KEY (seq);
ALTER TABLE ONLY public.favourites
    ADD CONSTRAINT pk_favourites PRIMARY KEY (user_id, worker_id);
ALTER TABLE ONLY public.input_defaults
    ADD CONSTRAINT pk_input_defaults PRIMARY KEY (user_id, worker_id);
ALTER TABLE ONLY public.ledger
    ADD CONSTRAINT pk_ledger PRIMARY KEY (seq);
ALTER TABLE ONLY public.one_time_links
    ADD CONSTRAINT pk_one_time_links PRIMARY KEY (digest);
ALTER TABLE ONLY public.preferences
    ADD CONSTRAINT pk_preferences PRIMARY KEY (user_id);
ALTER TABLE ONLY public.queue_items
    ADD CONSTRAINT pk_queue_items PRIMARY KEY (number);
ALTER TABLE ONLY public.receivers
    ADD CONSTRAINT pk_receivers PRIMARY KEY (account_id, receiver);
ALTER TABLE ONLY public.run_counts
    ADD CONSTRAINT pk_run_counts PRIMARY KEY (account_id, worker_id, state);
ALTER TABLE ONLY public.run_events
    ADD CONSTRAINT pk_run_events PRIMARY KEY (seq);
ALTER TABLE ONLY public.run_samples
    ADD CONSTRAINT pk_run_samples PRIMARY KEY (run_id, at);
ALTER TABLE ONLY public.run_shares
    ADD CONSTRAINT pk_run_shares PRIMARY KEY (id);
ALTER TABLE ONLY public.run_sites
    ADD CONSTRAINT pk_run_sites PRIMARY KEY (run_id, domain);
ALTER TABLE ONLY public.runners
    ADD CONSTRAINT pk_runners PRIMARY KEY (id);
ALTER TABLE ONLY public.runs
    ADD CONSTRAINT pk_runs PRIMARY KEY (id);
ALTER TABLE ONLY public.schedule_fires
    ADD CONSTRAINT pk_schedule_fires PRIMARY KEY (task_id, planned_at);
ALTER TABLE ONLY public.schedules
    ADD CONSTRAINT pk_schedules PRIMARY KEY (task_id);
ALTER TABLE ONLY public.servers
    ADD CONSTRAINT pk_servers PRIMARY KEY (id);
ALTER TABLE ONLY public.sessions
    ADD CONSTRAINT pk_sessions PRIMARY KEY (id);
ALTER TABLE ONLY public.start_keys
    ADD CONSTRAINT pk_start_keys PRIMARY KEY (account_id, key);
ALTER TABLE ONLY public.submissions
    ADD CONSTRAINT pk_submissions PRIMARY KEY (id);
ALTER TABLE ONLY public.subtasks
    ADD CONSTRAINT pk_subtasks PRIMARY KEY (run_id, ordinal);
ALTER TABLE ONLY public.tasks
    ADD CONSTRAINT pk_tasks PRIMARY KEY (id);
ALTER TABLE ONLY public.uploads
    ADD CONSTRAINT pk_uploads PRIMARY KEY (id);
ALTER TABLE ONLY public.usage_days
    ADD CONSTRAINT pk_usage_days PRIMARY KEY (account_id, part, day, ref);
ALTER TABLE ONLY public.users
    ADD CONSTRAINT pk_users PRIMARY KEY (id);
ALTER TABLE ONLY public.version_facts
    ADD CONSTRAINT pk_version_facts PRIMARY KEY (version_id);
ALTER TABLE ONLY public.versions
    ADD CONSTRAINT pk_versions PRIMARY KEY (id);
ALTER TABLE ONLY public.webhook_endpoints
    ADD CONSTRAINT pk_webhook_endpoints PRIMARY KEY (id);
ALTER TABLE ONLY public.worker_categories
    ADD CONSTRAINT pk_worker_categories PRIMARY KEY (worker_id, category);
ALTER TABLE ONLY public.worker_facts
    ADD CONSTRAINT pk_worker_facts PRIMARY KEY (worker_id);
ALTER TABLE ONLY public.worker_secrets
    ADD CONSTRAINT pk_worker_secrets PRIMARY KEY (account_id, worker_id, name);
ALTER TABLE ONLY public.workers
    ADD CONSTRAINT pk_workers PRIMARY KEY (id);
ALTER TABLE ONLY public.results_attempts
    ADD CONSTRAINT results_attempts_attempt_id_key UNIQUE (attempt_id);
ALTER TABLE ONLY public.results_attempts
    ADD CONSTRAINT results_attempts_pkey PRIMARY KEY (number);
ALTER TABLE ONLY public.results_headers
    ADD CONSTRAINT results_headers_pkey PRIMARY KEY (attempt);
ALTER TABLE ONLY public.results_log
    ADD CONSTRAINT results_log_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.results_rows
    ADD CONSTRAINT results_rows_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.results_runs
    ADD CONSTRAINT results_runs_pkey PRIMARY KEY (number);
ALTER TABLE ONLY public.results_runs
    ADD CONSTRAINT results_runs_run_id_key UNIQUE (run_id);
ALTER TABLE ONLY public.results_upserts
    ADD CONSTRAINT results_upserts_pkey PRIMARY KEY (run, digest);
ALTER TABLE ONLY public.results_version
    ADD CONSTRAINT results_version_pkc PRIMARY KEY (version_num);
ALTER TABLE ONLY public.state_version
    ADD CONSTRAINT state_version_pkc PRIMARY KEY (version_num);
ALTER TABLE ONLY public.accounts
    ADD CONSTRAINT uq_accounts_name UNIQUE (name);
ALTER TABLE ONLY public.alerts
    ADD CONSTRAINT uq_alerts_rule_id_run_id UNIQUE (rule_id, run_id);
ALTER TABLE ONLY public.api_keys
    ADD CONSTRAINT uq_api_keys_digest UNIQUE (digest);
ALTER TABLE ONLY public.ledger
    ADD CONSTRAINT uq_ledger_id UNIQUE (id);
ALTER TABLE ONLY public.queue_items
    ADD CONSTRAINT uq_queue_items_id UNIQUE (id);
ALTER TABLE ONLY public.sessions
    ADD CONSTRAINT uq_sessions_digest UNIQUE (digest);
ALTER TABLE ONLY public.users
    ADD CONSTRAINT uq_users_account_id_name UNIQUE (account_id, name);
ALTER TABLE ONLY public.versions
    ADD CONSTRAINT uq_versions_worker_id_number UNIQUE (worker_id, number);
ALTER TABLE ONLY public.versions
    ADD CONSTRAINT uq_versions_worker_id_seq UNIQUE (worker_id, seq);
ALTER TABLE ONLY public.webhook_endpoints
    ADD CONSTRAINT uq_webhook_endpoints_account_id_name UNIQUE (account_id, name);
ALTER TABLE ONLY public.workers
    ADD CONSTRAINT uq_workers_owner_name UNIQUE (owner, name);
CREATE INDEX ix_alert_checks_run_id ON public.alert_checks USING btree (run_id);
CREATE INDEX ix_alert_rules_account_id ON public.alert_rules USING btree (account_id);
CREATE INDEX ix_alerts_account_id_at_id_rule_id ON public.alerts USING btree (account_id, at, id, rule_id);
CREATE INDEX ix_alerts_at ON public.alerts USING btree (at);
CREATE INDEX ix_alerts_unread ON public.alerts USING btree (account_id, at, id) WHERE (read_at = 0);
CREATE INDEX ix_api_keys_account_id ON public.api_keys USING btree (account_id);
CREATE INDEX ix_attempt_sites_run_id ON public.attempt_sites USING btree (run_id);
CREATE INDEX ix_attempts_leases ON public.attempts USING btree (lease_until) WHERE (outcome IS NULL);
CREATE INDEX ix_attempts_living ON public.attempts USING btree (runner_id) WHERE (outcome IS NULL);
CREATE INDEX ix_attempts_run_id_ordinal_id ON public.attempts USING btree (run_id, ordinal, id);
CREATE INDEX ix_audit_account_id_action_seq ON public.audit USING btree (account_id, action, seq);
CREATE INDEX ix_audit_account_id_seq ON public.audit USING btree (account_id, seq);
CREATE INDEX ix_audit_at ON public.audit USING btree (at);
CREATE INDEX ix_deliveries_account_id_created_at_id ON public.deliveries USING btree (account_id, created_at, id);
CREATE INDEX ix_deliveries_claimed ON public.deliveries USING btree (host, claimed_until) WHERE (claimed_until > 0);
CREATE INDEX ix_deliveries_due ON public.deliveries USING btree (host, next_at) WHERE (state = 'pending'::text);
CREATE INDEX ix_deliveries_of_endpoint ON public.deliveries USING btree (endpoint_id, account_id, created_at, id, state) WHERE (endpoint_id <> ''::text);
CREATE INDEX ix_deliveries_run_id_created_at ON public.deliveries USING btree (run_id, created_at);
CREATE INDEX ix_deliveries_running ON public.deliveries USING btree (run_id) WHERE ((state = 'pending'::text) AND (kind = 'running'::text));
CREATE INDEX ix_deliveries_waiting_of_endpoint ON public.deliveries USING btree (endpoint_id, next_at) WHERE ((state = 'pending'::text) AND (endpoint_id <> ''::text));
CREATE INDEX ix_delivery_tries_delivery_id_seq ON public.delivery_tries USING btree (delivery_id, seq);
CREATE INDEX ix_ledger_account_id_at_seq ON public.ledger USING btree (account_id, at, seq);
CREATE INDEX ix_one_time_links_user_id ON public.one_time_links USING btree (user_id);
CREATE INDEX ix_queue_items_account_id_waiting_number ON public.queue_items USING btree (account_id, waiting, number);
CREATE INDEX ix_queue_items_ended ON public.queue_items USING btree (ended_at, id) WHERE (ended_at > 0);
CREATE INDEX ix_results_attempts_run ON public.results_attempts USING btree (run);
CREATE INDEX ix_run_events_run_id_seq ON public.run_events USING btree (run_id, seq);
CREATE INDEX ix_run_shares_run_id_created_at ON public.run_shares USING btree (run_id, created_at);
CREATE INDEX ix_runs_account_id_created_at_id_and_facts ON public.runs USING btree (account_id, created_at, id, worker_id, state, outcome, reason_code, origin, version, task_id);
CREATE INDEX ix_runs_account_id_state_created_at_id ON public.runs USING btree (account_id, state, created_at, id);
CREATE INDEX ix_runs_account_id_worker_id_created_at_id ON public.runs USING btree (account_id, worker_id, created_at, id);
CREATE INDEX ix_runs_ended_of_task ON public.runs USING btree (task_id, state, finished_at, id) WHERE ((finished_at > 0) AND (task_id <> ''::text));
CREATE INDEX ix_runs_ended_of_worker ON public.runs USING btree (account_id, worker_id, state, finished_at, id) WHERE (finished_at > 0);
CREATE INDEX ix_runs_finished ON public.runs USING btree (finished_at, id) WHERE (finished_at > 0);
CREATE INDEX ix_runs_of_task ON public.runs USING btree (account_id, task_id, created_at, id) WHERE (task_id <> ''::text);
CREATE INDEX ix_runs_open ON public.runs USING btree (id, account_id, state) WHERE (state = ANY (ARRAY['ready'::text, 'running'::text]));
CREATE INDEX ix_runs_open_of_task ON public.runs USING btree (task_id) WHERE ((finished_at = 0) AND (task_id <> ''::text));
CREATE INDEX ix_runs_under_way ON public.runs USING btree (account_id, id) WHERE (state = ANY (ARRAY['running'::text, 'ending'::text, 'aborting'::text]));
CREATE INDEX ix_runs_with_error ON public.runs USING btree (account_id, created_at, id) WHERE (err_msg <> ''::text);
CREATE INDEX ix_schedule_fires_at ON public.schedule_fires USING btree (at);
CREATE INDEX ix_schedule_fires_waiting ON public.schedule_fires USING btree (task_id) WHERE (state = 'waiting'::text);
CREATE INDEX ix_schedules_account_id ON public.schedules USING btree (account_id);
CREATE INDEX ix_schedules_due ON public.schedules USING btree (next_at, task_id) WHERE (next_at > 0);
CREATE INDEX ix_sessions_expires_at ON public.sessions USING btree (expires_at);
CREATE INDEX ix_sessions_user_id ON public.sessions USING btree (user_id);
CREATE INDEX ix_start_keys_expires_at ON public.start_keys USING btree (expires_at);
CREATE INDEX ix_submissions_state_created_at_id ON public.submissions USING btree (state, created_at, id);
CREATE INDEX ix_submissions_worker_id_created_at_id ON public.submissions USING btree (worker_id, created_at, id);
CREATE INDEX ix_subtasks_waiting ON public.subtasks USING btree (run_id, ordinal) WHERE (state = 'waiting'::text);
CREATE INDEX ix_tasks_account_id_created_at_id ON public.tasks USING btree (account_id, created_at, id);
CREATE INDEX ix_uploads_account_id_created_at_id ON public.uploads USING btree (account_id, created_at, id);
CREATE INDEX ix_uploads_created_at_id ON public.uploads USING btree (created_at, id);
CREATE INDEX ix_worker_categories_category_worker_id ON public.worker_categories USING btree (category, worker_id);
CREATE INDEX ix_worker_secrets_worker_id ON public.worker_secrets USING btree (worker_id);
CREATE INDEX ix_workers_account_id ON public.workers USING btree (account_id);
CREATE UNIQUE INDEX uq_accounts_operator ON public.accounts USING btree (operator) WHERE operator;
CREATE UNIQUE INDEX uq_submissions_waiting ON public.submissions USING btree (worker_id) WHERE (state = 'waiting'::text);
CREATE UNIQUE INDEX uq_users_name ON public.users USING btree (name);
CREATE TRIGGER ledger_stays BEFORE DELETE OR UPDATE OR TRUNCATE ON public.ledger FOR EACH STATEMENT EXECUTE FUNCTION public.ledger_stays();
ALTER TABLE ONLY public.alert_budgets
    ADD CONSTRAINT fk_alert_budgets_rule_id FOREIGN KEY (rule_id) REFERENCES public.alert_rules(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.alert_checks
    ADD CONSTRAINT fk_alert_checks_run_id FOREIGN KEY (run_id) REFERENCES public.runs(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.alert_rules
    ADD CONSTRAINT fk_alert_rules_account_id FOREIGN KEY (account_id) REFERENCES public.accounts(id);
ALTER TABLE ONLY public.alerts
    ADD CONSTRAINT fk_alerts_account_id FOREIGN KEY (account_id) REFERENCES public.accounts(id);
ALTER TABLE ONLY public.api_keys
    ADD CONSTRAINT fk_api_keys_account_id FOREIGN KEY (account_id) REFERENCES public.accounts(id);
ALTER TABLE ONLY public.attempt_sites
    ADD CONSTRAINT fk_attempt_sites_run_id FOREIGN KEY (run_id) REFERENCES public.runs(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.attempts
    ADD CONSTRAINT fk_attempts_run_id FOREIGN KEY (run_id) REFERENCES public.runs(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.deliveries
    ADD CONSTRAINT fk_deliveries_run_id FOREIGN KEY (run_id) REFERENCES public.runs(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.delivery_tries
    ADD CONSTRAINT fk_delivery_tries_delivery_id FOREIGN KEY (delivery_id) REFERENCES public.deliveries(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.favourites
    ADD CONSTRAINT fk_favourites_worker_id FOREIGN KEY (worker_id) REFERENCES public.workers(id);
ALTER TABLE ONLY public.input_defaults
    ADD CONSTRAINT fk_input_defaults_worker_id FOREIGN KEY (worker_id) REFERENCES public.workers(id);
ALTER TABLE ONLY public.ledger
    ADD CONSTRAINT fk_ledger_account_id FOREIGN KEY (account_id) REFERENCES public.accounts(id);
ALTER TABLE ONLY public.one_time_links
    ADD CONSTRAINT fk_one_time_links_user_id FOREIGN KEY (user_id) REFERENCES public.users(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.preferences
    ADD CONSTRAINT fk_preferences_user_id FOREIGN KEY (user_id) REFERENCES public.users(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.queue_items
    ADD CONSTRAINT fk_queue_items_account_id FOREIGN KEY (account_id) REFERENCES public.accounts(id);
ALTER TABLE ONLY public.queue_items
    ADD CONSTRAINT fk_queue_items_worker_id FOREIGN KEY (worker_id) REFERENCES public.workers(id);
ALTER TABLE ONLY public.receivers
    ADD CONSTRAINT fk_receivers_account_id FOREIGN KEY (account_id) REFERENCES public.accounts(id);
ALTER TABLE ONLY public.run_events
    ADD CONSTRAINT fk_run_events_run_id FOREIGN KEY (run_id) REFERENCES public.runs(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.run_samples
    ADD CONSTRAINT fk_run_samples_run_id FOREIGN KEY (run_id) REFERENCES public.runs(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.run_shares
    ADD CONSTRAINT fk_run_shares_account_id FOREIGN KEY (account_id) REFERENCES public.accounts(id);
ALTER TABLE ONLY public.run_shares
    ADD CONSTRAINT fk_run_shares_run_id FOREIGN KEY (run_id) REFERENCES public.runs(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.run_sites
    ADD CONSTRAINT fk_run_sites_run_id FOREIGN KEY (run_id) REFERENCES public.runs(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.runs
    ADD CONSTRAINT fk_runs_account_id FOREIGN KEY (account_id) REFERENCES public.accounts(id);
ALTER TABLE ONLY public.runs
    ADD CONSTRAINT fk_runs_worker_id FOREIGN KEY (worker_id) REFERENCES public.workers(id);
ALTER TABLE ONLY public.schedule_fires
    ADD CONSTRAINT fk_schedule_fires_task_id FOREIGN KEY (task_id) REFERENCES public.schedules(task_id) ON DELETE CASCADE;
ALTER TABLE ONLY public.schedules
    ADD CONSTRAINT fk_schedules_account_id FOREIGN KEY (account_id) REFERENCES public.accounts(id);
ALTER TABLE ONLY public.schedules
    ADD CONSTRAINT fk_schedules_task_id FOREIGN KEY (task_id) REFERENCES public.tasks(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.sessions
    ADD CONSTRAINT fk_sessions_user_id FOREIGN KEY (user_id) REFERENCES public.users(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.submissions
    ADD CONSTRAINT fk_submissions_account_id FOREIGN KEY (account_id) REFERENCES public.accounts(id);
ALTER TABLE ONLY public.submissions
    ADD CONSTRAINT fk_submissions_worker_id FOREIGN KEY (worker_id) REFERENCES public.workers(id);
ALTER TABLE ONLY public.subtasks
    ADD CONSTRAINT fk_subtasks_run_id FOREIGN KEY (run_id) REFERENCES public.runs(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.tasks
    ADD CONSTRAINT fk_tasks_account_id FOREIGN KEY (account_id) REFERENCES public.accounts(id);
ALTER TABLE ONLY public.tasks
    ADD CONSTRAINT fk_tasks_worker_id FOREIGN KEY (worker_id) REFERENCES public.workers(id);
ALTER TABLE ONLY public.uploads
    ADD CONSTRAINT fk_uploads_account_id FOREIGN KEY (account_id) REFERENCES public.accounts(id);
ALTER TABLE ONLY public.users
    ADD CONSTRAINT fk_users_account_id FOREIGN KEY (account_id) REFERENCES public.accounts(id);
ALTER TABLE ONLY public.version_facts
    ADD CONSTRAINT fk_version_facts_version_id FOREIGN KEY (version_id) REFERENCES public.versions(id);
ALTER TABLE ONLY public.versions
    ADD CONSTRAINT fk_versions_worker_id FOREIGN KEY (worker_id) REFERENCES public.workers(id);
ALTER TABLE ONLY public.webhook_endpoints
    ADD CONSTRAINT fk_webhook_endpoints_account_id FOREIGN KEY (account_id) REFERENCES public.accounts(id);
ALTER TABLE ONLY public.worker_categories
    ADD CONSTRAINT fk_worker_categories_worker_id FOREIGN KEY (worker_id) REFERENCES public.workers(id);
ALTER TABLE ONLY public.worker_secrets
    ADD CONSTRAINT fk_worker_secrets_account_id FOREIGN KEY (account_id) REFERENCES public.accounts(id);
ALTER TABLE ONLY public.worker_secrets
    ADD CONSTRAINT fk_worker_secrets_worker_id FOREIGN KEY (worker_id) REFERENCES public.workers(id);
ALTER TABLE ONLY public.workers
    ADD CONSTRAINT fk_workers_account_id FOREIGN KEY (account_id) REFERENCES public.accounts(id);
