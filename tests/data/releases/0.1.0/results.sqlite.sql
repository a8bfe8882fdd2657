BEGIN TRANSACTION;
CREATE TABLE results_attempts (
	number INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	attempt_id TEXT NOT NULL, 
	run BIGINT, 
	rows BIGINT NOT NULL, 
	bytes BIGINT NOT NULL, 
	closed BOOLEAN NOT NULL, 
	UNIQUE (attempt_id)
);
INSERT INTO "results_attempts" VALUES(1,'attempt',1,2,34,1);
CREATE TABLE results_headers (
	attempt INTEGER NOT NULL, 
	data BLOB NOT NULL, 
	PRIMARY KEY (attempt)
);
INSERT INTO "results_headers" VALUES(1,X'5B5B225469746C65222C227469746C65222C2274657874225D5D');
CREATE TABLE results_log (
	id INTEGER NOT NULL, 
	type SMALLINT NOT NULL, 
	group_name TEXT NOT NULL, 
	content TEXT NOT NULL, 
	timestamp BIGINT NOT NULL, 
	PRIMARY KEY (id)
);
INSERT INTO "results_log" VALUES(4294967297,2,'worker','one page read',1700000000000);
CREATE TABLE results_rows (
	id INTEGER NOT NULL, 
	attempt BIGINT NOT NULL, 
	data BLOB NOT NULL, 
	PRIMARY KEY (id)
);
INSERT INTO "results_rows" VALUES(4294967297,1,X'7B227469746C65223A22636166C3A9227D');
INSERT INTO "results_rows" VALUES(4294967298,1,X'7B227469746C65223A22636166C3A9227D');
CREATE TABLE results_runs (
	number INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	run_id TEXT, 
	rows BIGINT NOT NULL, 
	log_entries BIGINT NOT NULL, 
	UNIQUE (run_id)
);
INSERT INTO "results_runs" VALUES(1,'run',2,1);
CREATE TABLE results_upserts (
	run BIGINT NOT NULL, 
	digest BLOB NOT NULL, 
	row_id BIGINT NOT NULL, 
	PRIMARY KEY (run, digest)
)
 WITHOUT ROWID

;
INSERT INTO "results_upserts" VALUES(1,X'9E1DA531EDAA9A5A83B6DC97723A987A',4294967298);
CREATE TABLE results_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT results_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "results_version" VALUES('r0001');
CREATE INDEX ix_results_attempts_run ON results_attempts (run);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('results_runs',1);
INSERT INTO "sqlite_sequence" VALUES('results_attempts',2);
COMMIT;
