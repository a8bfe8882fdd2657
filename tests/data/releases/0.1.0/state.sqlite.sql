BEGIN TRANSACTION;
CREATE TABLE accounts (
	id TEXT NOT NULL, 
	name TEXT NOT NULL, 
	time_zone TEXT NOT NULL, 
	"plan" TEXT NOT NULL, 
	operator BOOLEAN NOT NULL, 
	balance_micros BIGINT NOT NULL, 
	held_micros BIGINT NOT NULL, 
	traffic_bytes BIGINT NOT NULL, 
	traffic_expires_at BIGINT NOT NULL, 
	created_at BIGINT NOT NULL, 
	run_cap_micros BIGINT NOT NULL, 
	month_cap_micros BIGINT NOT NULL, 
	CONSTRAINT pk_accounts PRIMARY KEY (id), 
	CONSTRAINT uq_accounts_name UNIQUE (name)
);
INSERT INTO "accounts" VALUES('01HF0000000000000000000001','first','UTC','unlimited',1,960,0,1950,0,1700000000000,0,0);
CREATE TABLE alert_budgets (
	rule_id TEXT NOT NULL, 
	month TEXT NOT NULL, 
	CONSTRAINT pk_alert_budgets PRIMARY KEY (rule_id, month), 
	CONSTRAINT fk_alert_budgets_rule_id FOREIGN KEY(rule_id) REFERENCES alert_rules (id) ON DELETE CASCADE
);
INSERT INTO "alert_budgets" VALUES('R1','2023-11');
CREATE TABLE alert_checks (
	seq INTEGER NOT NULL, 
	run_id TEXT NOT NULL, 
	account_id TEXT NOT NULL, 
	tries BIGINT NOT NULL, 
	not_before BIGINT NOT NULL, 
	CONSTRAINT pk_alert_checks PRIMARY KEY (seq), 
	CONSTRAINT fk_alert_checks_run_id FOREIGN KEY(run_id) REFERENCES runs (id) ON DELETE CASCADE
);
INSERT INTO "alert_checks" VALUES(1,'01HF0000000000000000000007','01HF0000000000000000000001',0,0);
CREATE TABLE alert_rules (
	id TEXT NOT NULL, 
	account_id TEXT NOT NULL, 
	name TEXT NOT NULL, 
	kind TEXT NOT NULL, 
	worker_id TEXT NOT NULL, 
	task_id TEXT NOT NULL, 
	field TEXT NOT NULL, 
	endpoints TEXT NOT NULL, 
	emails TEXT NOT NULL, 
	reasons TEXT NOT NULL, 
	factor DOUBLE NOT NULL, 
	percent DOUBLE NOT NULL, 
	usd_micros BIGINT NOT NULL, 
	traffic_bytes BIGINT NOT NULL, 
	since BIGINT NOT NULL, 
	created_at BIGINT NOT NULL, 
	updated_at BIGINT NOT NULL, 
	enabled BOOLEAN NOT NULL, 
	CONSTRAINT pk_alert_rules PRIMARY KEY (id), 
	CONSTRAINT fk_alert_rules_account_id FOREIGN KEY(account_id) REFERENCES accounts (id)
);
INSERT INTO "alert_rules" VALUES('R1','01HF0000000000000000000001','late','failed','01HF0000000000000000000004','','','["E1"]','["ada@example.com"]','["exit_code"]',2.0,0.0,0,0,1700000000000,1700000000000,1700000000000,1);
CREATE TABLE alerts (
	id TEXT NOT NULL, 
	account_id TEXT NOT NULL, 
	rule_id TEXT NOT NULL, 
	rule_name TEXT NOT NULL, 
	kind TEXT NOT NULL, 
	run_id TEXT NOT NULL, 
	worker_id TEXT NOT NULL, 
	task_id TEXT NOT NULL, 
	sentence TEXT NOT NULL, 
	reason_code TEXT NOT NULL, 
	reason_params TEXT NOT NULL, 
	at BIGINT NOT NULL, 
	read_at BIGINT NOT NULL, 
	CONSTRAINT pk_alerts PRIMARY KEY (id), 
	CONSTRAINT uq_alerts_rule_id_run_id UNIQUE (rule_id, run_id), 
	CONSTRAINT fk_alerts_account_id FOREIGN KEY(account_id) REFERENCES accounts (id)
);
INSERT INTO "alerts" VALUES('A1','01HF0000000000000000000001','R1','late','failed','01HF0000000000000000000007','01HF0000000000000000000004','','It failed','exit_code','{"code":3}',1700000000000,0);
CREATE TABLE api_keys (
	id TEXT NOT NULL, 
	account_id TEXT NOT NULL, 
	user_id TEXT NOT NULL, 
	name TEXT NOT NULL, 
	prefix TEXT NOT NULL, 
	digest TEXT NOT NULL, 
	scopes TEXT NOT NULL, 
	created_at BIGINT NOT NULL, 
	expires_at BIGINT NOT NULL, 
	revoked_at BIGINT NOT NULL, 
	last_used_at BIGINT NOT NULL, 
	rate_limit BIGINT NOT NULL, 
	CONSTRAINT pk_api_keys PRIMARY KEY (id), 
	CONSTRAINT uq_api_keys_digest UNIQUE (digest), 
	CONSTRAINT fk_api_keys_account_id FOREIGN KEY(account_id) REFERENCES accounts (id)
);
INSERT INTO "api_keys" VALUES('01HF0000000000000000000003','01HF0000000000000000000001','01HF0000000000000000000002','ci','scraper_api_ab','key-digest','read run write admin',1700000000000,0,0,0,0);
CREATE TABLE attempt_sites (
	attempt_id TEXT NOT NULL, 
	run_id TEXT NOT NULL, 
	sites TEXT NOT NULL, 
	CONSTRAINT pk_attempt_sites PRIMARY KEY (attempt_id), 
	CONSTRAINT fk_attempt_sites_run_id FOREIGN KEY(run_id) REFERENCES runs (id) ON DELETE CASCADE
);
INSERT INTO "attempt_sites" VALUES('01M8EXMACGPJAP8CFF4B8CGHB8','01HF000000000000000000000A','[{"domain":"example.org","requests":1,"bytes_up":2,"bytes_down":3,"failures":0,"refused":0}]');
CREATE TABLE attempts (
	id TEXT NOT NULL, 
	run_id TEXT NOT NULL, 
	number TEXT NOT NULL, 
	runner_id TEXT NOT NULL, 
	err_msg TEXT NOT NULL, 
	reason_code TEXT NOT NULL, 
	reason_params TEXT NOT NULL, 
	ordinal BIGINT NOT NULL, 
	token BIGINT NOT NULL, 
	lease_until BIGINT NOT NULL, 
	rows BIGINT NOT NULL, 
	traffic_bytes BIGINT NOT NULL, 
	cpu_ms BIGINT NOT NULL, 
	memory_peak_bytes BIGINT NOT NULL, 
	started_at BIGINT NOT NULL, 
	finished_at BIGINT NOT NULL, 
	memory_bytes BIGINT NOT NULL, 
	memory_mb_ms BIGINT NOT NULL, 
	outcome TEXT, 
	CONSTRAINT pk_attempts PRIMARY KEY (id), 
	CONSTRAINT fk_attempts_run_id FOREIGN KEY(run_id) REFERENCES runs (id) ON DELETE CASCADE
);
INSERT INTO "attempts" VALUES('01M8EXMABJGDRYZFM08TGV3E4W','01HF0000000000000000000007','00000000000000000','runner-a','','','',0,1,1700000000005,3,0,7,0,1700000000000,1700000000004,0,9,'succeeded');
INSERT INTO "attempts" VALUES('01M8EXMABJGDRYZFM08TGV3E4X','01HF0000000000000000000007','00000000000000001','runner-a','','','',1,1,1700000000005,3,0,7,0,1700000000000,1700000000004,0,9,'succeeded');
INSERT INTO "attempts" VALUES('01M8EXMACGPJAP8CFF4B8CGHB8','01HF000000000000000000000A','00000000000000000','runner-a','','','',0,1,1700000000005,0,0,0,0,0,0,0,0,NULL);
CREATE TABLE audit (
	seq INTEGER NOT NULL, 
	account_id TEXT NOT NULL, 
	user_id TEXT NOT NULL, 
	user_name TEXT NOT NULL, 
	key_id TEXT NOT NULL, 
	session_id TEXT NOT NULL, 
	address TEXT NOT NULL, 
	action TEXT NOT NULL, 
	target TEXT NOT NULL, 
	detail TEXT NOT NULL, 
	at BIGINT NOT NULL, 
	CONSTRAINT pk_audit PRIMARY KEY (seq)
);
INSERT INTO "audit" VALUES(1,'01HF0000000000000000000001','01HF0000000000000000000002','ada','','S1','192.0.2.1','session.start','K1','ci',1700000000000);
CREATE TABLE callback_hosts (
	host TEXT NOT NULL, 
	standing TEXT NOT NULL, 
	next_at BIGINT NOT NULL, 
	CONSTRAINT pk_callback_hosts PRIMARY KEY (host)
);
INSERT INTO "callback_hosts" VALUES('example.com','new',0);
CREATE TABLE deliveries (
	id TEXT NOT NULL, 
	account_id TEXT NOT NULL, 
	run_id TEXT NOT NULL, 
	url TEXT NOT NULL, 
	payload TEXT NOT NULL, 
	state TEXT NOT NULL, 
	last_error TEXT NOT NULL, 
	kind TEXT NOT NULL, 
	receiver TEXT NOT NULL, 
	host TEXT NOT NULL, 
	endpoint_id TEXT NOT NULL, 
	event TEXT NOT NULL, 
	tries BIGINT NOT NULL, 
	next_at BIGINT NOT NULL, 
	last_status BIGINT NOT NULL, 
	created_at BIGINT NOT NULL, 
	ended_at BIGINT NOT NULL, 
	claimed_until BIGINT NOT NULL, 
	CONSTRAINT pk_deliveries PRIMARY KEY (id), 
	CONSTRAINT fk_deliveries_run_id FOREIGN KEY(run_id) REFERENCES runs (id) ON DELETE CASCADE
);
INSERT INTO "deliveries" VALUES('01HF000000000000000000000B','01HF0000000000000000000001','01HF0000000000000000000007','http://127.0.0.1/hook','{"a":1}','pending','','terminal','https://example.com:443','example.com','','',0,1700000000000,0,1700000000000,0,0);
CREATE TABLE delivery_tries (
	seq INTEGER NOT NULL, 
	delivery_id TEXT NOT NULL, 
	error TEXT NOT NULL, 
	reply TEXT NOT NULL, 
	at BIGINT NOT NULL, 
	status BIGINT NOT NULL, 
	duration_ms BIGINT NOT NULL, 
	CONSTRAINT pk_delivery_tries PRIMARY KEY (seq), 
	CONSTRAINT fk_delivery_tries_delivery_id FOREIGN KEY(delivery_id) REFERENCES deliveries (id) ON DELETE CASCADE
);
INSERT INTO "delivery_tries" VALUES(1,'01HF000000000000000000000B','','busy',1700000000000,503,12);
CREATE TABLE favourites (
	user_id TEXT NOT NULL, 
	worker_id TEXT NOT NULL, 
	added_at BIGINT NOT NULL, 
	CONSTRAINT pk_favourites PRIMARY KEY (user_id, worker_id), 
	CONSTRAINT fk_favourites_worker_id FOREIGN KEY(worker_id) REFERENCES workers (id)
);
INSERT INTO "favourites" VALUES('01HF0000000000000000000002','01HF0000000000000000000004',1700000000000);
CREATE TABLE input_defaults (
	user_id TEXT NOT NULL, 
	worker_id TEXT NOT NULL, 
	input_json TEXT NOT NULL, 
	saved_at BIGINT NOT NULL, 
	CONSTRAINT pk_input_defaults PRIMARY KEY (user_id, worker_id), 
	CONSTRAINT fk_input_defaults_worker_id FOREIGN KEY(worker_id) REFERENCES workers (id)
);
INSERT INTO "input_defaults" VALUES('01HF0000000000000000000002','01HF0000000000000000000004','{"url": "https://example.com/é"}',1700000000000);
CREATE TABLE ledger (
	seq INTEGER NOT NULL, 
	id TEXT NOT NULL, 
	account_id TEXT NOT NULL, 
	kind TEXT NOT NULL, 
	run_id TEXT NOT NULL, 
	note TEXT NOT NULL, 
	at BIGINT NOT NULL, 
	usd_micros BIGINT NOT NULL, 
	traffic_bytes BIGINT NOT NULL, 
	CONSTRAINT pk_ledger PRIMARY KEY (seq), 
	CONSTRAINT uq_ledger_id UNIQUE (id), 
	CONSTRAINT fk_ledger_account_id FOREIGN KEY(account_id) REFERENCES accounts (id)
);
INSERT INTO "ledger" VALUES(1,'01HF0000000000000000000008','01HF0000000000000000000001','credit','','note',1700000000000,1000,2000);
INSERT INTO "ledger" VALUES(2,'01HF0000000000000000000009','01HF0000000000000000000001','usage','01HF0000000000000000000007','note',1700000000000,-40,-50);
CREATE TABLE one_time_links (
	digest TEXT NOT NULL, 
	purpose TEXT NOT NULL, 
	user_id TEXT NOT NULL, 
	created_at BIGINT NOT NULL, 
	expires_at BIGINT NOT NULL, 
	CONSTRAINT pk_one_time_links PRIMARY KEY (digest), 
	CONSTRAINT fk_one_time_links_user_id FOREIGN KEY(user_id) REFERENCES users (id) ON DELETE CASCADE
);
INSERT INTO "one_time_links" VALUES('link-digest','setup','01HF0000000000000000000002',1700000000000,1700000000009);
CREATE TABLE preferences (
	user_id TEXT NOT NULL, 
	language TEXT NOT NULL, 
	theme TEXT NOT NULL, 
	time_zone TEXT NOT NULL, 
	snippets TEXT NOT NULL, 
	views TEXT NOT NULL, 
	CONSTRAINT pk_preferences PRIMARY KEY (user_id), 
	CONSTRAINT fk_preferences_user_id FOREIGN KEY(user_id) REFERENCES users (id) ON DELETE CASCADE
);
INSERT INTO "preferences" VALUES('01HF0000000000000000000002','zh','system','','','{"runs": "state=failed"}');
CREATE TABLE queue_items (
	number INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	id TEXT NOT NULL, 
	account_id TEXT NOT NULL, 
	worker_id TEXT NOT NULL, 
	version TEXT NOT NULL, 
	input_json TEXT NOT NULL, 
	callback_url TEXT NOT NULL, 
	reason_text TEXT NOT NULL, 
	run_id TEXT NOT NULL, 
	reason_code TEXT NOT NULL, 
	reason_params TEXT NOT NULL, 
	waiting BOOLEAN NOT NULL, 
	created_at BIGINT NOT NULL, 
	ended_at BIGINT NOT NULL, 
	CONSTRAINT uq_queue_items_id UNIQUE (id), 
	CONSTRAINT fk_queue_items_account_id FOREIGN KEY(account_id) REFERENCES accounts (id), 
	CONSTRAINT fk_queue_items_worker_id FOREIGN KEY(worker_id) REFERENCES workers (id)
);
INSERT INTO "queue_items" VALUES(1,'Q1','01HF0000000000000000000001','01HF0000000000000000000004','1.0.0','{}','','','','exit_code','{"code":3}',1,1700000000000,0);
CREATE TABLE receivers (
	account_id TEXT NOT NULL, 
	receiver TEXT NOT NULL, 
	failing_since BIGINT NOT NULL, 
	last_success_at BIGINT NOT NULL, 
	last_failure_at BIGINT NOT NULL, 
	disabled_at BIGINT NOT NULL, 
	CONSTRAINT pk_receivers PRIMARY KEY (account_id, receiver), 
	CONSTRAINT fk_receivers_account_id FOREIGN KEY(account_id) REFERENCES accounts (id)
);
INSERT INTO "receivers" VALUES('01HF0000000000000000000001','https://example.com:443',1700000000000,0,0,0);
CREATE TABLE run_counts (
	account_id TEXT NOT NULL, 
	worker_id TEXT NOT NULL, 
	state TEXT NOT NULL, 
	n BIGINT NOT NULL, 
	CONSTRAINT pk_run_counts PRIMARY KEY (account_id, worker_id, state)
);
INSERT INTO "run_counts" VALUES('01HF0000000000000000000001','01HF0000000000000000000004','running',1);
INSERT INTO "run_counts" VALUES('01HF0000000000000000000001','01HF0000000000000000000004','succeeded',1);
CREATE TABLE run_events (
	seq INTEGER NOT NULL, 
	run_id TEXT NOT NULL, 
	kind TEXT NOT NULL, 
	"before" TEXT NOT NULL, 
	"after" TEXT NOT NULL, 
	actor TEXT NOT NULL, 
	detail TEXT NOT NULL, 
	reason_code TEXT NOT NULL, 
	reason_params TEXT NOT NULL, 
	at BIGINT NOT NULL, 
	CONSTRAINT pk_run_events PRIMARY KEY (seq), 
	CONSTRAINT fk_run_events_run_id FOREIGN KEY(run_id) REFERENCES runs (id) ON DELETE CASCADE
);
INSERT INTO "run_events" VALUES(1,'01HF0000000000000000000007','moved','ready','running','runner a','','exit_code','{"code":3}',1700000000000);
CREATE TABLE run_samples (
	run_id TEXT NOT NULL, 
	at BIGINT NOT NULL, 
	cpu_ms BIGINT NOT NULL, 
	memory_bytes BIGINT NOT NULL, 
	traffic_bytes BIGINT NOT NULL, 
	rows BIGINT NOT NULL, 
	CONSTRAINT pk_run_samples PRIMARY KEY (run_id, at), 
	CONSTRAINT fk_run_samples_run_id FOREIGN KEY(run_id) REFERENCES runs (id) ON DELETE CASCADE
);
INSERT INTO "run_samples" VALUES('01HF0000000000000000000007',1700000000001,7,1024,50,3);
CREATE TABLE run_shares (
	id TEXT NOT NULL, 
	account_id TEXT NOT NULL, 
	run_id TEXT NOT NULL, 
	made_by TEXT NOT NULL, 
	rows BOOLEAN NOT NULL, 
	log BOOLEAN NOT NULL, 
	created_at BIGINT NOT NULL, 
	expires_at BIGINT NOT NULL, 
	revoked_at BIGINT NOT NULL, 
	CONSTRAINT pk_run_shares PRIMARY KEY (id), 
	CONSTRAINT fk_run_shares_account_id FOREIGN KEY(account_id) REFERENCES accounts (id), 
	CONSTRAINT fk_run_shares_run_id FOREIGN KEY(run_id) REFERENCES runs (id) ON DELETE CASCADE
);
INSERT INTO "run_shares" VALUES('H1','01HF0000000000000000000001','01HF0000000000000000000007','',1,0,1700000000000,1700000000009,0);
CREATE TABLE run_sites (
	run_id TEXT NOT NULL, 
	domain TEXT NOT NULL, 
	requests BIGINT NOT NULL, 
	bytes_up BIGINT NOT NULL, 
	bytes_down BIGINT NOT NULL, 
	failures BIGINT NOT NULL, 
	refused BIGINT NOT NULL, 
	CONSTRAINT pk_run_sites PRIMARY KEY (run_id, domain), 
	CONSTRAINT fk_run_sites_run_id FOREIGN KEY(run_id) REFERENCES runs (id) ON DELETE CASCADE
);
INSERT INTO "run_sites" VALUES('01HF0000000000000000000007','example.com',2,20,30,0,0);
CREATE TABLE runners (
	id TEXT NOT NULL, 
	node TEXT NOT NULL, 
	isolation TEXT NOT NULL, 
	reason TEXT NOT NULL, 
	checks TEXT NOT NULL, 
	cpus DOUBLE NOT NULL, 
	memory_mb BIGINT NOT NULL, 
	heartbeat_at BIGINT NOT NULL, 
	unsafe BOOLEAN NOT NULL, 
	CONSTRAINT pk_runners PRIMARY KEY (id)
);
INSERT INTO "runners" VALUES('runner-a','node','full','','[["user", true, "ok"]]',2.0,2048,1700000000000,0);
CREATE TABLE runs (
	id TEXT NOT NULL, 
	account_id TEXT NOT NULL, 
	worker_id TEXT NOT NULL, 
	version TEXT NOT NULL, 
	task_id TEXT NOT NULL, 
	key_id TEXT NOT NULL, 
	origin TEXT NOT NULL, 
	state TEXT NOT NULL, 
	err_msg TEXT NOT NULL, 
	region TEXT NOT NULL, 
	egress_allow TEXT NOT NULL, 
	input_json TEXT NOT NULL, 
	callback_url TEXT NOT NULL, 
	summary TEXT NOT NULL, 
	bound TEXT NOT NULL, 
	reason_code TEXT NOT NULL, 
	reason_params TEXT NOT NULL, 
	outcome TEXT, 
	cpus DOUBLE NOT NULL, 
	memory_mb BIGINT NOT NULL, 
	timeout_s BIGINT NOT NULL, 
	max_charge_micros BIGINT NOT NULL, 
	max_traffic_bytes BIGINT NOT NULL, 
	subtasks BIGINT NOT NULL, 
	subtasks_succeeded BIGINT NOT NULL, 
	subtasks_failed BIGINT NOT NULL, 
	results BIGINT NOT NULL, 
	usage_micros BIGINT NOT NULL, 
	traffic_bytes BIGINT NOT NULL, 
	hold_micros BIGINT NOT NULL, 
	created_at BIGINT NOT NULL, 
	started_at BIGINT NOT NULL, 
	finished_at BIGINT NOT NULL, 
	busy_ms BIGINT NOT NULL, 
	cpu_ms BIGINT NOT NULL, 
	memory_mb_ms BIGINT NOT NULL, 
	CONSTRAINT pk_runs PRIMARY KEY (id), 
	CONSTRAINT fk_runs_account_id FOREIGN KEY(account_id) REFERENCES accounts (id), 
	CONSTRAINT fk_runs_worker_id FOREIGN KEY(worker_id) REFERENCES workers (id)
);
INSERT INTO "runs" VALUES('01HF0000000000000000000007','01HF0000000000000000000001','01HF0000000000000000000004','1.0.0','01HF0000000000000000000006','','api','succeeded','','','["db.example:5432"]','{"n": 12345678901234567890}','','url: https://e.example','most','','','succeeded',1.0,512,60,0,1099511627776,2,2,0,6,40,50,0,1700000000000,1700000000000,1700000000004,8,14,0);
INSERT INTO "runs" VALUES('01HF000000000000000000000A','01HF0000000000000000000001','01HF0000000000000000000004','1.0.0','','','api','running','','','["db.example:5432"]','{"n": 12345678901234567890}','','','most','','',NULL,1.0,512,60,0,1099511627776,2,0,0,0,0,0,0,1700000000000,1700000000000,0,0,0,0);
CREATE TABLE schedule_fires (
	task_id TEXT NOT NULL, 
	state TEXT NOT NULL, 
	run_id TEXT NOT NULL, 
	reason TEXT NOT NULL, 
	planned_at BIGINT NOT NULL, 
	count BIGINT NOT NULL, 
	at BIGINT NOT NULL, 
	CONSTRAINT pk_schedule_fires PRIMARY KEY (task_id, planned_at), 
	CONSTRAINT fk_schedule_fires_task_id FOREIGN KEY(task_id) REFERENCES schedules (task_id) ON DELETE CASCADE
);
INSERT INTO "schedule_fires" VALUES('01HF0000000000000000000006','started','','',1700000000000,1,1700000000000);
CREATE TABLE schedules (
	task_id TEXT NOT NULL, 
	account_id TEXT NOT NULL, 
	kind TEXT NOT NULL, 
	time TEXT NOT NULL, 
	date TEXT NOT NULL, 
	cron TEXT NOT NULL, 
	time_zone TEXT NOT NULL, 
	overlap TEXT NOT NULL, 
	last_error TEXT NOT NULL, 
	late TEXT NOT NULL, 
	weekday BIGINT NOT NULL, 
	day BIGINT NOT NULL, 
	every_s BIGINT NOT NULL, 
	anchor_at BIGINT NOT NULL, 
	next_at BIGINT NOT NULL, 
	missed BIGINT NOT NULL, 
	last_fired_at BIGINT NOT NULL, 
	revision BIGINT NOT NULL, 
	created_at BIGINT NOT NULL, 
	updated_at BIGINT NOT NULL, 
	failures BIGINT NOT NULL, 
	paused_at BIGINT NOT NULL, 
	enabled BOOLEAN NOT NULL, 
	CONSTRAINT pk_schedules PRIMARY KEY (task_id), 
	CONSTRAINT fk_schedules_task_id FOREIGN KEY(task_id) REFERENCES tasks (id) ON DELETE CASCADE, 
	CONSTRAINT fk_schedules_account_id FOREIGN KEY(account_id) REFERENCES accounts (id)
);
INSERT INTO "schedules" VALUES('01HF0000000000000000000006','01HF0000000000000000000001','cron','','','5 4 * * 1','Europe/Berlin','skip','','start',0,0,0,1700000000000,1700000000009,1,1700000000000,2,1700000000000,1700000000000,0,0,1);
CREATE TABLE servers (
	id TEXT NOT NULL, 
	heartbeat_at BIGINT NOT NULL, 
	CONSTRAINT pk_servers PRIMARY KEY (id)
);
INSERT INTO "servers" VALUES('server-a',1700000000000);
CREATE TABLE sessions (
	id TEXT NOT NULL, 
	user_id TEXT NOT NULL, 
	digest TEXT NOT NULL, 
	agent TEXT NOT NULL, 
	address TEXT NOT NULL, 
	created_at BIGINT NOT NULL, 
	seen_at BIGINT NOT NULL, 
	expires_at BIGINT NOT NULL, 
	ended_at BIGINT NOT NULL, 
	CONSTRAINT pk_sessions PRIMARY KEY (id), 
	CONSTRAINT uq_sessions_digest UNIQUE (digest), 
	CONSTRAINT fk_sessions_user_id FOREIGN KEY(user_id) REFERENCES users (id) ON DELETE CASCADE
);
INSERT INTO "sessions" VALUES('S1','01HF0000000000000000000002','session-digest','agent','192.0.2.1',1700000000000,1700000000000,1700000000009,0);
CREATE TABLE start_keys (
	account_id TEXT NOT NULL, 
	"key" TEXT NOT NULL, 
	digest TEXT NOT NULL, 
	made TEXT NOT NULL, 
	ref TEXT NOT NULL, 
	expires_at BIGINT NOT NULL, 
	CONSTRAINT pk_start_keys PRIMARY KEY (account_id, "key")
);
INSERT INTO "start_keys" VALUES('01HF0000000000000000000001','key-1','digest','run','01HF0000000000000000000007',1700000000009);
CREATE TABLE state_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT state_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "state_version" VALUES('s0001');
CREATE TABLE submissions (
	id TEXT NOT NULL, 
	account_id TEXT NOT NULL, 
	worker_id TEXT NOT NULL, 
	version TEXT NOT NULL, 
	state TEXT NOT NULL, 
	note TEXT NOT NULL, 
	decided_by TEXT NOT NULL, 
	reply TEXT NOT NULL, 
	sample_run_id TEXT NOT NULL, 
	created_at BIGINT NOT NULL, 
	decided_at BIGINT NOT NULL, 
	CONSTRAINT pk_submissions PRIMARY KEY (id), 
	CONSTRAINT fk_submissions_account_id FOREIGN KEY(account_id) REFERENCES accounts (id), 
	CONSTRAINT fk_submissions_worker_id FOREIGN KEY(worker_id) REFERENCES workers (id)
);
INSERT INTO "submissions" VALUES('B1','01HF0000000000000000000001','01HF0000000000000000000004','1.0.0','waiting','please','','','',1700000000000,0);
CREATE TABLE subtasks (
	run_id TEXT NOT NULL, 
	number TEXT NOT NULL, 
	input_json TEXT NOT NULL, 
	state TEXT NOT NULL, 
	err_msg TEXT NOT NULL, 
	reason_code TEXT NOT NULL, 
	reason_params TEXT NOT NULL, 
	ordinal BIGINT NOT NULL, 
	outcome TEXT, 
	CONSTRAINT pk_subtasks PRIMARY KEY (run_id, ordinal), 
	CONSTRAINT fk_subtasks_run_id FOREIGN KEY(run_id) REFERENCES runs (id) ON DELETE CASCADE
);
INSERT INTO "subtasks" VALUES('01HF0000000000000000000007','00000000000000000','{}','ended','','','',0,'succeeded');
INSERT INTO "subtasks" VALUES('01HF0000000000000000000007','00000000000000001','{}','ended','','','',1,'succeeded');
INSERT INTO "subtasks" VALUES('01HF000000000000000000000A','00000000000000000','{}','running','','','',0,NULL);
INSERT INTO "subtasks" VALUES('01HF000000000000000000000A','00000000000000001','{}','waiting','','','',1,NULL);
CREATE TABLE tasks (
	id TEXT NOT NULL, 
	account_id TEXT NOT NULL, 
	worker_id TEXT NOT NULL, 
	title TEXT NOT NULL, 
	version TEXT NOT NULL, 
	input_json TEXT NOT NULL, 
	description TEXT NOT NULL, 
	last_run_id TEXT NOT NULL, 
	search_text TEXT NOT NULL, 
	created_at BIGINT NOT NULL, 
	updated_at BIGINT NOT NULL, 
	run_times BIGINT NOT NULL, 
	revision BIGINT NOT NULL, 
	CONSTRAINT pk_tasks PRIMARY KEY (id), 
	CONSTRAINT fk_tasks_account_id FOREIGN KEY(account_id) REFERENCES accounts (id), 
	CONSTRAINT fk_tasks_worker_id FOREIGN KEY(worker_id) REFERENCES workers (id)
);
INSERT INTO "tasks" VALUES('01HF0000000000000000000006','01HF0000000000000000000001','01HF0000000000000000000004','Saved','','{}','','01HF0000000000000000000007','01hf0000000000000000000006saved',1700000000000,1700000000000,1,0);
CREATE TABLE uploads (
	id TEXT NOT NULL, 
	account_id TEXT NOT NULL, 
	source TEXT NOT NULL, 
	state TEXT NOT NULL, 
	label TEXT NOT NULL, 
	git_url TEXT NOT NULL, 
	git_ref TEXT NOT NULL, 
	git_folder TEXT NOT NULL, 
	git_commit TEXT NOT NULL, 
	steps TEXT NOT NULL, 
	findings TEXT NOT NULL, 
	digest TEXT NOT NULL, 
	language TEXT NOT NULL, 
	title TEXT NOT NULL, 
	description TEXT NOT NULL, 
	input_schema TEXT NOT NULL, 
	output_schema TEXT NOT NULL, 
	worker_id TEXT NOT NULL, 
	version TEXT NOT NULL, 
	test_run_id TEXT NOT NULL, 
	size BIGINT NOT NULL, 
	working_until BIGINT NOT NULL, 
	created_at BIGINT NOT NULL, 
	updated_at BIGINT NOT NULL, 
	egress TEXT, 
	builds BOOLEAN NOT NULL, 
	CONSTRAINT pk_uploads PRIMARY KEY (id), 
	CONSTRAINT fk_uploads_account_id FOREIGN KEY(account_id) REFERENCES accounts (id)
);
INSERT INTO "uploads" VALUES('U1','01HF0000000000000000000001','zip','working','titles.zip','','','','','[{"name": "read", "state": "waiting", "note": ""}]','[{"severity": "warning", "code": "no_readme", "file": "README.md", "line": 0, "message": "There is no README", "remedy": "Add one"}]','d','python','T','','{}','','01HF0000000000000000000004','1.0.0','',99,0,1700000000000,1700000000000,'["example.com"]',0);
CREATE TABLE usage_days (
	account_id TEXT NOT NULL, 
	part TEXT NOT NULL, 
	ref TEXT NOT NULL, 
	day BIGINT NOT NULL, 
	runs BIGINT NOT NULL, 
	failed BIGINT NOT NULL, 
	aborted BIGINT NOT NULL, 
	results BIGINT NOT NULL, 
	usage_micros BIGINT NOT NULL, 
	traffic_bytes BIGINT NOT NULL, 
	run_ms BIGINT NOT NULL, 
	credited_micros BIGINT NOT NULL, 
	cpu_ms BIGINT NOT NULL, 
	memory_mb_ms BIGINT NOT NULL, 
	CONSTRAINT pk_usage_days PRIMARY KEY (account_id, part, day, ref)
);
INSERT INTO "usage_days" VALUES('01HF0000000000000000000001','','',20231114,1,0,0,6,40,50,0,0,0,0);
INSERT INTO "usage_days" VALUES('01HF0000000000000000000001','key','',20231114,1,0,0,6,40,50,0,0,0,0);
INSERT INTO "usage_days" VALUES('01HF0000000000000000000001','task','01HF0000000000000000000006',20231114,1,0,0,6,40,50,0,0,0,0);
INSERT INTO "usage_days" VALUES('01HF0000000000000000000001','worker','01HF0000000000000000000004',20231114,1,0,0,6,40,50,0,0,0,0);
CREATE TABLE users (
	id TEXT NOT NULL, 
	account_id TEXT NOT NULL, 
	name TEXT NOT NULL, 
	role TEXT NOT NULL, 
	password_hash TEXT NOT NULL, 
	disabled BOOLEAN NOT NULL, 
	created_at BIGINT NOT NULL, 
	CONSTRAINT pk_users PRIMARY KEY (id), 
	CONSTRAINT uq_users_account_id_name UNIQUE (account_id, name), 
	CONSTRAINT fk_users_account_id FOREIGN KEY(account_id) REFERENCES accounts (id)
);
INSERT INTO "users" VALUES('01HF0000000000000000000002','01HF0000000000000000000001','ada','owner','$argon2id$v=19$x',0,1700000000000);
CREATE TABLE version_facts (
	version_id TEXT NOT NULL, 
	findings TEXT NOT NULL, 
	size BIGINT NOT NULL, 
	CONSTRAINT pk_version_facts PRIMARY KEY (version_id), 
	CONSTRAINT fk_version_facts_version_id FOREIGN KEY(version_id) REFERENCES versions (id)
);
INSERT INTO "version_facts" VALUES('01HF0000000000000000000005','[{"severity": "warning", "code": "no_readme", "file": "README.md", "line": 0, "message": "There is no README", "remedy": "Add one"}]',1234);
CREATE TABLE versions (
	id TEXT NOT NULL, 
	worker_id TEXT NOT NULL, 
	number TEXT NOT NULL, 
	digest TEXT NOT NULL, 
	language TEXT NOT NULL, 
	state TEXT NOT NULL, 
	input_schema TEXT NOT NULL, 
	output_schema TEXT NOT NULL, 
	readme TEXT NOT NULL, 
	requirements TEXT NOT NULL, 
	notice TEXT NOT NULL, 
	secrets TEXT NOT NULL, 
	seq BIGINT NOT NULL, 
	memory_mb BIGINT NOT NULL, 
	timeout_s BIGINT NOT NULL, 
	max_charge_micros BIGINT NOT NULL, 
	max_traffic_bytes BIGINT NOT NULL, 
	created_at BIGINT NOT NULL, 
	approved BOOLEAN NOT NULL, 
	builds BOOLEAN NOT NULL, 
	egress TEXT, 
	CONSTRAINT pk_versions PRIMARY KEY (id), 
	CONSTRAINT uq_versions_worker_id_number UNIQUE (worker_id, number), 
	CONSTRAINT uq_versions_worker_id_seq UNIQUE (worker_id, seq), 
	CONSTRAINT fk_versions_worker_id FOREIGN KEY(worker_id) REFERENCES workers (id)
);
INSERT INTO "versions" VALUES('01HF0000000000000000000005','01HF0000000000000000000004','1.0.0','dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd','python','published','{"a": 1}','','# Read','','','["TOKEN"]',1,256,60,0,0,1700000000000,1,0,'["example.com"]');
CREATE TABLE webhook_endpoints (
	id TEXT NOT NULL, 
	account_id TEXT NOT NULL, 
	name TEXT NOT NULL, 
	url TEXT NOT NULL, 
	events TEXT NOT NULL, 
	description TEXT NOT NULL, 
	salt TEXT NOT NULL, 
	old_salt TEXT NOT NULL, 
	last_error TEXT NOT NULL, 
	last_reply TEXT NOT NULL, 
	enabled BOOLEAN NOT NULL, 
	old_until BIGINT NOT NULL, 
	created_at BIGINT NOT NULL, 
	updated_at BIGINT NOT NULL, 
	last_at BIGINT NOT NULL, 
	last_status BIGINT NOT NULL, 
	failing_since BIGINT NOT NULL, 
	CONSTRAINT pk_webhook_endpoints PRIMARY KEY (id), 
	CONSTRAINT uq_webhook_endpoints_account_id_name UNIQUE (account_id, name), 
	CONSTRAINT fk_webhook_endpoints_account_id FOREIGN KEY(account_id) REFERENCES accounts (id)
);
INSERT INTO "webhook_endpoints" VALUES('E1','01HF0000000000000000000001','ops','https://example.com/h','["run.started", "run.succeeded"]','','s','','','',1,0,1700000000000,1700000000000,0,0,0);
CREATE TABLE worker_categories (
	worker_id TEXT NOT NULL, 
	category BIGINT NOT NULL, 
	CONSTRAINT pk_worker_categories PRIMARY KEY (worker_id, category), 
	CONSTRAINT fk_worker_categories_worker_id FOREIGN KEY(worker_id) REFERENCES workers (id)
);
INSERT INTO "worker_categories" VALUES('01HF0000000000000000000004',3);
INSERT INTO "worker_categories" VALUES('01HF0000000000000000000004',7);
CREATE TABLE worker_facts (
	worker_id TEXT NOT NULL, 
	recent TEXT NOT NULL, 
	runs BIGINT NOT NULL, 
	succeeded BIGINT NOT NULL, 
	failed BIGINT NOT NULL, 
	last_ok_at BIGINT NOT NULL, 
	CONSTRAINT pk_worker_facts PRIMARY KEY (worker_id)
);
INSERT INTO "worker_facts" VALUES('01HF0000000000000000000004','+',1,1,0,1700000000004);
CREATE TABLE worker_secrets (
	account_id TEXT NOT NULL, 
	worker_id TEXT NOT NULL, 
	name TEXT NOT NULL, 
	key_id TEXT NOT NULL, 
	sealed TEXT NOT NULL, 
	set_by TEXT NOT NULL, 
	set_at BIGINT NOT NULL, 
	used_at BIGINT NOT NULL, 
	CONSTRAINT pk_worker_secrets PRIMARY KEY (account_id, worker_id, name), 
	CONSTRAINT fk_worker_secrets_account_id FOREIGN KEY(account_id) REFERENCES accounts (id), 
	CONSTRAINT fk_worker_secrets_worker_id FOREIGN KEY(worker_id) REFERENCES workers (id)
);
INSERT INTO "worker_secrets" VALUES('01HF0000000000000000000001','01HF0000000000000000000004','TOKEN','k1','c2VhbGVk','ada',1700000000000,0);
CREATE TABLE workers (
	id TEXT NOT NULL, 
	account_id TEXT NOT NULL, 
	owner TEXT NOT NULL, 
	name TEXT NOT NULL, 
	title TEXT NOT NULL, 
	description TEXT NOT NULL, 
	latest TEXT NOT NULL, 
	search_text TEXT NOT NULL, 
	categories TEXT NOT NULL, 
	icon TEXT NOT NULL, 
	latest_approved TEXT NOT NULL, 
	public BOOLEAN NOT NULL, 
	builds_allowed BOOLEAN NOT NULL, 
	created_at BIGINT NOT NULL, 
	deleted_at BIGINT NOT NULL, 
	CONSTRAINT pk_workers PRIMARY KEY (id), 
	CONSTRAINT uq_workers_owner_name UNIQUE (owner, name), 
	CONSTRAINT fk_workers_account_id FOREIGN KEY(account_id) REFERENCES accounts (id)
);
INSERT INTO "workers" VALUES('01HF0000000000000000000004','01HF0000000000000000000001','acme','titles','Title','Text','1.0.0','01hf0000000000000000000004acme/titlestitletext','[3, 7]','','1.0.0',1,0,1700000000000,0);
CREATE UNIQUE INDEX uq_accounts_operator ON accounts (operator) WHERE operator;
CREATE UNIQUE INDEX uq_users_name ON users (name);
CREATE INDEX ix_api_keys_account_id ON api_keys (account_id);
CREATE INDEX ix_sessions_expires_at ON sessions (expires_at);
CREATE INDEX ix_sessions_user_id ON sessions (user_id);
CREATE INDEX ix_one_time_links_user_id ON one_time_links (user_id);
CREATE INDEX ix_audit_account_id_action_seq ON audit (account_id, action, seq);
CREATE INDEX ix_audit_account_id_seq ON audit (account_id, seq);
CREATE INDEX ix_audit_at ON audit (at);
CREATE INDEX ix_workers_account_id ON workers (account_id);
CREATE INDEX ix_worker_categories_category_worker_id ON worker_categories (category, worker_id);
CREATE INDEX ix_worker_secrets_worker_id ON worker_secrets (worker_id);
CREATE INDEX ix_uploads_account_id_created_at_id ON uploads (account_id, created_at, id);
CREATE INDEX ix_uploads_created_at_id ON uploads (created_at, id);
CREATE INDEX ix_submissions_state_created_at_id ON submissions (state, created_at, id);
CREATE INDEX ix_submissions_worker_id_created_at_id ON submissions (worker_id, created_at, id);
CREATE UNIQUE INDEX uq_submissions_waiting ON submissions (worker_id) WHERE state = 'waiting';
CREATE INDEX ix_tasks_account_id_created_at_id ON tasks (account_id, created_at, id);
CREATE INDEX ix_schedules_account_id ON schedules (account_id);
CREATE INDEX ix_schedules_due ON schedules (next_at, task_id) WHERE next_at > 0;
CREATE INDEX ix_schedule_fires_at ON schedule_fires (at);
CREATE INDEX ix_schedule_fires_waiting ON schedule_fires (task_id) WHERE state = 'waiting';
CREATE INDEX ix_runs_account_id_state_created_at_id ON runs (account_id, state, created_at, id);
CREATE INDEX ix_runs_account_id_worker_id_created_at_id ON runs (account_id, worker_id, created_at, id);
CREATE INDEX ix_runs_account_id_created_at_id_and_facts ON runs (account_id, created_at, id, worker_id, state, outcome, reason_code, origin, version, task_id);
CREATE INDEX ix_runs_ended_of_task ON runs (task_id, state, finished_at, id) WHERE finished_at > 0 AND task_id <> '';
CREATE INDEX ix_runs_ended_of_worker ON runs (account_id, worker_id, state, finished_at, id) WHERE finished_at > 0;
CREATE INDEX ix_runs_finished ON runs (finished_at, id) WHERE finished_at > 0;
CREATE INDEX ix_runs_of_task ON runs (account_id, task_id, created_at, id) WHERE task_id <> '';
CREATE INDEX ix_runs_open ON runs (id, account_id, state) WHERE state IN ('ready', 'running');
CREATE INDEX ix_runs_open_of_task ON runs (task_id) WHERE finished_at = 0 AND task_id <> '';
CREATE INDEX ix_runs_under_way ON runs (account_id, id) WHERE state IN ('running', 'ending', 'aborting');
CREATE INDEX ix_runs_with_error ON runs (account_id, created_at, id) WHERE err_msg <> '';
CREATE INDEX ix_subtasks_waiting ON subtasks (run_id, ordinal) WHERE state = 'waiting';
CREATE INDEX ix_attempts_run_id_ordinal_id ON attempts (run_id, ordinal, id);
CREATE INDEX ix_attempts_leases ON attempts (lease_until) WHERE outcome IS NULL;
CREATE INDEX ix_attempts_living ON attempts (runner_id) WHERE outcome IS NULL;
CREATE INDEX ix_run_events_run_id_seq ON run_events (run_id, seq);
CREATE INDEX ix_attempt_sites_run_id ON attempt_sites (run_id);
CREATE INDEX ix_run_shares_run_id_created_at ON run_shares (run_id, created_at);
CREATE INDEX ix_queue_items_account_id_waiting_number ON queue_items (account_id, waiting, number);
CREATE INDEX ix_queue_items_ended ON queue_items (ended_at, id) WHERE ended_at > 0;
CREATE INDEX ix_start_keys_expires_at ON start_keys (expires_at);
CREATE INDEX ix_ledger_account_id_at_seq ON ledger (account_id, at, seq);
CREATE INDEX ix_deliveries_account_id_created_at_id ON deliveries (account_id, created_at, id);
CREATE INDEX ix_deliveries_run_id_created_at ON deliveries (run_id, created_at);
CREATE INDEX ix_deliveries_claimed ON deliveries (host, claimed_until) WHERE claimed_until > 0;
CREATE INDEX ix_deliveries_due ON deliveries (host, next_at) WHERE state = 'pending';
CREATE INDEX ix_deliveries_of_endpoint ON deliveries (endpoint_id, account_id, created_at, id, state) WHERE endpoint_id <> '';
CREATE INDEX ix_deliveries_running ON deliveries (run_id) WHERE state = 'pending' AND kind = 'running';
CREATE INDEX ix_deliveries_waiting_of_endpoint ON deliveries (endpoint_id, next_at) WHERE state = 'pending' AND endpoint_id <> '';
CREATE INDEX ix_delivery_tries_delivery_id_seq ON delivery_tries (delivery_id, seq);
CREATE INDEX ix_alert_rules_account_id ON alert_rules (account_id);
CREATE INDEX ix_alert_checks_run_id ON alert_checks (run_id);
CREATE INDEX ix_alerts_account_id_at_id_rule_id ON alerts (account_id, at, id, rule_id);
CREATE INDEX ix_alerts_at ON alerts (at);
CREATE INDEX ix_alerts_unread ON alerts (account_id, at, id) WHERE read_at = 0;
CREATE TRIGGER ledger_no_update BEFORE update ON ledger BEGIN SELECT RAISE(ABORT, 'the ledger is only ever added to'); END;
CREATE TRIGGER ledger_no_delete BEFORE delete ON ledger BEGIN SELECT RAISE(ABORT, 'the ledger is only ever added to'); END;
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('queue_items',1);
COMMIT;
